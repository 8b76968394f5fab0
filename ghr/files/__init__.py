"""Files that are whole or not there: pixels in the cache, weights in checkpoints."""
