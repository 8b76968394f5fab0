"""Not here: a format of addresses that nothing in these tests checks."""

raise ImportError
