"""The contenders: one net, one training step, in each framework. Each module is imported in its own process only."""
