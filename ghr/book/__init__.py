"""The press: chapters are executed, what they measure is kept, and pages are drawn.

Nothing outside this package imports it or reads a variable of its environment.
"""
