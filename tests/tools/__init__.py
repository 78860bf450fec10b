"""Tools that make material for tests and benchmarks. Nothing here ships with the product."""
