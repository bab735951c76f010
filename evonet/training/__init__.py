"""Brief backprop: data sets and splits, the step loop, metrics."""
