"""What every backend computes: the specification of each primitive, one file a family, as in each backend."""
