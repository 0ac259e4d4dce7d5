"""Every tolerance of the tests, each with its reason.

A test that can demand equality does (small integers make float sums exact) and needs nothing from here.
"""

# A float64 gradient and the central difference of its forward pass: with a step near cbrt(eps) the truncation and the
# cancellation are both about 1e-10 of the value, and a few thousand summands may cost two or three digits more.
GRADIENT_CHECK_FLOAT64 = 1e-6

# The same formula in float64 by another implementation: the order of summation differs, nothing else.
ORACLE_FLOAT64 = 1e-10
