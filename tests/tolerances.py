"""Every tolerance of the tests, each with its reason.

A test that can demand equality does (small integers make float sums exact) and needs nothing from here.
"""

# A float64 gradient and the central difference of its forward pass: with a step near cbrt(eps) the truncation and the
# cancellation are both about 1e-10 of the value, and a few thousand summands may cost two or three digits more.
GRADIENT_CHECK_FLOAT64 = 1e-6

# The same formula in float64 by another implementation: the order of summation differs, nothing else.
ORACLE_FLOAT64 = 1e-10

# Optimizers: 60 steps of the same few operations an element; each rounds once or twice, and errors add.
OPTIMIZER_FLOAT64 = 1e-12
OPTIMIZER_FLOAT32 = 1e-5

# Schedules: the same formulas in the same order, so mostly equal to the bit; a power may round differently.
SCHEDULE = 1e-12

# Half the distance from 1 to the next float32. A test multiplies it by about how many roundings its formula has, in a
# row, on numbers of the size of its result.
FLOAT32_ROUNDING = 2.0**-24

# One layer in float32 against the same in float64: an element rounds to 6e-8, and sums of a hundred terms lose a digit
# or two. A gradient through a normalisation subtracts numbers of one size, which loses another.
FLOAT32_LAYER = 2e-5
FLOAT32_LAYER_GRADIENT = 4e-4

# Whole nets in float64: some twenty to sixty layers, whose rounding errors add, and batch norms, which magnify them
# where a channel varies little.
MODEL_FLOAT64 = 1e-10

# The same in float32 with fixed statistics, relative to the largest number, as the project promises. Measured: 1e-6 for
# logits and 1e-5 for gradients at most, in the absence of kinks.
MODEL_FLOAT32 = 1e-5
MODEL_GRADIENT_FLOAT32 = 1e-4

# In lockstep with PyTorch, whole nets over 100 steps, as the project demands. In float64 both run freely, and what one
# step rounds differently the next ones carry on. In float32 each step starts from the same state: the loss is a mean of
# a few logarithms, a gradient the sum of thousands of terms that partly cancel.
LOCKSTEP_LOSS_FLOAT64 = 1e-9
LOCKSTEP_LOSS_FLOAT32 = 1e-5
LOCKSTEP_GRADIENT_FLOAT32 = 1e-4

# The same 50 training steps in float32 on both backends: sums round differently, and each step carries it on.
LOSS_OF_BOTH_BACKENDS = 1e-4

# Winograd's transforms add numbers that are up to a hundred times larger than what is left, relative to the largest
# result: two to three digits more than a direct sum loses.
WINOGRAD_FLOAT64 = 1e-11
WINOGRAD_FLOAT32 = 3e-5

# Memory of a training step, predicted and measured: Python's own objects, of which a run on arrays without numbers has
# others, are some tens of kilobytes of several megabytes. What GELU sorts by size depends on the numbers, which a dry
# run takes to be 0.
MEMORY_OF_A_STEP = 0.05

# ONNX Runtime computes the same float32 formulas in its own order and fuses some; relative to the largest output.
ONNXRUNTIME_FLOAT32 = 1e-5

# Attributes of ONNX nodes, such as epsilon, are float32: nets in float64 compute with numbers that are 6e-8 off.
ONNX_ATTRIBUTES = 1e-5
