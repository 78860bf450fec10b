"""The benchmark: `make bench`. Ratios taken inside one run, so that a busy or slow machine moves them little. No part of the tests."""
