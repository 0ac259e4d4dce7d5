// Elementwise operations on arrays of any shape, given as one contiguous run of elements.
//   relu                y = the larger of x and 0.
//   relu_backward       grad_x = grad_y where y came through, else 0.
//   bias_relu           y = the larger of 0 and x + bias, of (N, C, inner) arrays and a number for each channel.
//   bias_relu_backward  grad_x as in relu_backward. One block a part of a channel, whose sum of grad_x goes to
//                       partial[channel, part]; sum_rows of reductions.cu adds the parts of each.
//   dropout_backward    grad_x = grad_y * scale where the mask is true, else 0.
//   error_function      y = erf(x).
// Unless said otherwise one thread a grid-stride run of elements; neighbouring threads touch neighbouring elements.
// NaN: relu(NaN) is NaN and lets its gradient through; what is blocked or dropped becomes 0, even if it is not finite.
// Sums are added in an order that sizes and block size alone decide: the same bits in every run.

extern "C" __global__ void relu(const real* __restrict__ x, real* __restrict__ y, index_t size) {
  for (index_t i = global_thread(); i < size; i += total_threads()) {
    y[i] = rectified(x[i]);
  }
}

extern "C" __global__ void relu_backward(const real* __restrict__ grad_y, const real* __restrict__ y,
                                         real* __restrict__ grad_x, index_t size) {
  for (index_t i = global_thread(); i < size; i += total_threads()) {
    grad_x[i] = through_rectifier(grad_y[i], y[i]);
  }
}

extern "C" __global__ void bias_relu(const real* __restrict__ x, const real* __restrict__ bias, real* __restrict__ y,
                                     Channels sizes) {
  const index_t size = sizes.size();
  ElementWalk walk(global_thread(), total_threads(), sizes);
  for (index_t i = global_thread(); i < size; i += total_threads(), walk.advance()) {
    y[i] = rectified(real(accumulator(x[i]) + accumulator(bias[walk.channel])));
  }
}

extern "C" __global__ void bias_relu_backward(const real* __restrict__ grad_y, const real* __restrict__ y,
                                              real* __restrict__ grad_x, accumulator* __restrict__ partial,
                                              Channels sizes) {
  __shared__ accumulator scratch[MAXIMUM_WARPS];
  for (index_t item = blockIdx.x; item < sizes.channels * sizes.parts; item += gridDim.x) {
    accumulator sum = 0;
    for (PartWalk walk(item, sizes); walk.is_inside(); walk.advance()) {
      const real grad = through_rectifier(grad_y[walk.element], y[walk.element]);
      grad_x[walk.element] = grad;
      sum += accumulator(grad);
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) partial[item] = sum;
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
