"""What the chapters measure, one module a question: networks and images enter, tables of frozen rows leave."""
