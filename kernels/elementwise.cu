// Elementwise operations on arrays of any shape, given as one contiguous run of elements.
//   relu              y = the larger of x and 0.
//   relu_backward     grad_x = grad_y where y came through, else 0.
//   dropout_backward  grad_x = grad_y * scale where the mask is true, else 0.
//   error_function    y = erf(x).
// One thread a grid-stride run of elements; neighbouring threads touch neighbouring elements.
// NaN: relu(NaN) is NaN and lets its gradient through; what is blocked or dropped becomes 0, even if it is not finite.

extern "C" __global__ void relu(const real* __restrict__ x, real* __restrict__ y, index_t size) {
  for (index_t i = global_thread(); i < size; i += total_threads()) {
    const real value = x[i];
    y[i] = value <= real(0) ? real(0) : value;  // not value > 0, which is false at NaN
  }
}

extern "C" __global__ void relu_backward(const real* __restrict__ grad_y, const real* __restrict__ y,
                                         real* __restrict__ grad_x, index_t size) {
  for (index_t i = global_thread(); i < size; i += total_threads()) {
    grad_x[i] = y[i] <= real(0) ? real(0) : grad_y[i];
  }
}

extern "C" __global__ void dropout_backward(const real* __restrict__ grad_y, const bool* __restrict__ mask,
                                            real* __restrict__ grad_x, real scale, index_t size) {
  for (index_t i = global_thread(); i < size; i += total_threads()) {
    grad_x[i] = mask[i] ? grad_y[i] * scale : real(0);
  }
}

extern "C" __global__ void error_function(const real* __restrict__ x, real* __restrict__ y, index_t size) {
  for (index_t i = global_thread(); i < size; i += total_threads()) {
    y[i] = real(erf(accumulator(x[i])));  // the overload of the accumulator's type
  }
}
