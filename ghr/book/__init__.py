"""The press: chapters are executed, what they measure is kept, and pages are drawn.

Nothing outside this package imports it or reads a variable of its environment.
"""

SCALE = "GHR_SCALE"  #: variable: the scale at which chapters are executed and pages drawn
DEPFILE = "GHR_DEPFILE"  #: variable: where a kernel notes the checkpoints that it loads
