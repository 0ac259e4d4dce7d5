// Batch normalisation of (N, C, inner) arrays: inner is the product of all axes after the channels, 1 if none follow.
//   batch_norm_moments          one block a part of a channel (`part_size` of its values): their moments.
//   batch_norm_statistics       one block a channel: combines its parts into mean and 1 / sqrt(variance + eps).
//   batch_norm_apply            one thread a run of elements: (x - mean) * inv_std * weight + bias, to which `residual`
//                               is added if it is not null, and of which `relu` takes the larger of it and 0; for
//                               training and inference.
//   batch_norm_gradient_sums    one block a part of a channel: sums of grad_y, and of grad_y times the normalised x.
//   batch_norm_gradient_totals  one block a channel: adds its parts, which are the gradients of bias and weight.
//   batch_norm_backward         one thread a run of elements: grad_x.
// Where y is not null, as batch_norm_apply with `relu` gave it, the last three take a gradient of 0 where y blocks it.
// The variance takes one pass over x. Values are measured from the channel's first one, which keeps the digits that a
// mean far from zero would cost; moments grow by Welford's update within a thread, and are combined as Chan, Golub and
// LeVeque do across threads and parts. The order is fixed by sizes and block size alone: the same bits in every run.
// A channel without values has mean 0 and variance 0. NaN and infinity reach every element of their channel, no other.
//
// Sources: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1; Welford 1962, Technometrics 4(3); Chan, Golub and
// LeVeque 1983, The American Statistician 37(3).

// How many values, their mean as a distance from the channel's first value, and the sum of their squared distances from
// the mean. The count is a floating number because it is only multiplied and divided with.
struct Moments {
  accumulator count, mean, squares;
};

struct CombineMoments {
  __device__ Moments operator()(const Moments& a, const Moments& b) const {
    if (a.count == 0) return b;
    if (b.count == 0) return a;
    const accumulator count = a.count + b.count;
    const accumulator share = b.count / count;
    const accumulator distance = b.mean - a.mean;
    const Moments both = {count, a.mean + distance * share,
                          a.squares + b.squares + distance * distance * a.count * share};
    return both;
  }
};

__device__ __forceinline__ Moments shuffle_down(unsigned int lanes, const Moments& moments, int offset) {
  const Moments other = {shuffle_down(lanes, moments.count, offset), shuffle_down(lanes, moments.mean, offset),
                         shuffle_down(lanes, moments.squares, offset)};
  return other;
}

// Partial results are rows of numbers: (C, parts, 3) for moments, (C, parts, 2) for sums.
__device__ __forceinline__ Moments moments_at(const accumulator* partial, index_t item) {
  const Moments moments = {partial[3 * item], partial[3 * item + 1], partial[3 * item + 2]};
  return moments;
}

struct GradientSums {
  accumulator bias, weight;
};

struct AddGradientSums {
  __device__ GradientSums operator()(const GradientSums& a, const GradientSums& b) const {
    const GradientSums both = {a.bias + b.bias, a.weight + b.weight};
    return both;
  }
};

__device__ __forceinline__ GradientSums shuffle_down(unsigned int lanes, const GradientSums& sums, int offset) {
  const GradientSums other = {shuffle_down(lanes, sums.bias, offset), shuffle_down(lanes, sums.weight, offset)};
  return other;
}

__device__ __forceinline__ GradientSums gradient_sums_at(const accumulator* partial, index_t item) {
  const GradientSums sums = {partial[2 * item], partial[2 * item + 1]};
  return sums;
}

// One element of grad_y, which has to come through the rectifier that gave y, if there was one.
__device__ inline accumulator gradient_at(const real* grad_y, const real* y, index_t element) {
  return y ? through_rectifier(grad_y[element], y[element]) : grad_y[element];
}

// A sum that rounds by itself. The compiler may fuse a product and a sum into one operation that rounds once; whether
// it does must not depend on a residual or a rectifier: the bits are those of one operation after the other.
__device__ inline float rounded_sum(float first, float second) { return __fadd_rn(first, second); }
__device__ inline double rounded_sum(double first, double second) { return __dadd_rn(first, second); }

extern "C" __global__ void batch_norm_moments(const real* __restrict__ x, accumulator* __restrict__ partial,
                                              Channels sizes) {
  __shared__ Moments scratch[MAXIMUM_WARPS];
  for (index_t item = blockIdx.x; item < sizes.channels * sizes.parts; item += gridDim.x) {
    PartWalk walk(item, sizes);
    const accumulator origin = x[walk.channel * sizes.inner];
    Moments moments = {0, 0, 0};
    for (; walk.is_inside(); walk.advance()) {
      const accumulator value = accumulator(x[walk.element]) - origin;
      const accumulator distance = value - moments.mean;
      moments.count += 1;
      moments.mean += distance / moments.count;
      moments.squares += distance * (value - moments.mean);
    }
    moments = block_reduce(moments, CombineMoments(), scratch);
    if (threadIdx.x == 0) {
      partial[3 * item] = moments.count;
      partial[3 * item + 1] = moments.mean;
      partial[3 * item + 2] = moments.squares;
    }
  }
}

extern "C" __global__ void batch_norm_statistics(const real* __restrict__ x, const accumulator* __restrict__ partial,
                                                 real* __restrict__ mean, real* __restrict__ inv_std,
                                                 accumulator eps, Channels sizes) {
  __shared__ Moments scratch[MAXIMUM_WARPS];
  for (index_t channel = blockIdx.x; channel < sizes.channels; channel += gridDim.x) {
    Moments moments = {0, 0, 0};
    for (index_t part = threadIdx.x; part < sizes.parts; part += blockDim.x) {
      moments = CombineMoments()(moments, moments_at(partial, channel * sizes.parts + part));
    }
    moments = block_reduce(moments, CombineMoments(), scratch);
    if (threadIdx.x == 0) {
      const bool empty = sizes.parts == 0;
      const accumulator variance = empty ? accumulator(0) : moments.squares / moments.count;
      mean[channel] = real(empty ? accumulator(0) : accumulator(x[channel * sizes.inner]) + moments.mean);
      inv_std[channel] = real(accumulator(1) / sqrt(variance + eps));
    }
  }
}

extern "C" __global__ void batch_norm_apply(const real* __restrict__ x, const real* __restrict__ weight,
                                            const real* __restrict__ bias, const real* __restrict__ mean,
                                            const real* __restrict__ inv_std, const real* __restrict__ residual,
                                            real* __restrict__ y, Channels sizes, bool relu) {
  const index_t size = sizes.size();
  ElementWalk walk(global_thread(), total_threads(), sizes);
  for (index_t i = global_thread(); i < size; i += total_threads(), walk.advance()) {
    const index_t channel = walk.channel;
    const accumulator scale = weight ? accumulator(inv_std[channel]) * accumulator(weight[channel])
                                     : accumulator(inv_std[channel]);
    const accumulator scaled = (accumulator(x[i]) - accumulator(mean[channel])) * scale;
    real value = real(bias ? rounded_sum(scaled, accumulator(bias[channel])) : scaled);
    if (residual) value = real(rounded_sum(accumulator(value), accumulator(residual[i])));
    y[i] = relu ? rectified(value) : value;
  }
}

extern "C" __global__ void batch_norm_gradient_sums(const real* __restrict__ grad_y, const real* __restrict__ x,
                                                    const real* __restrict__ y, const real* __restrict__ mean,
                                                    const real* __restrict__ inv_std,
                                                    accumulator* __restrict__ partial, Channels sizes) {
  __shared__ GradientSums scratch[MAXIMUM_WARPS];
  for (index_t item = blockIdx.x; item < sizes.channels * sizes.parts; item += gridDim.x) {
    PartWalk walk(item, sizes);
    const accumulator center(mean[walk.channel]), scale(inv_std[walk.channel]);
    GradientSums sums = {0, 0};
    for (; walk.is_inside(); walk.advance()) {
      const accumulator grad = gradient_at(grad_y, y, walk.element);
      sums.bias += grad;
      sums.weight = rounded_sum(sums.weight, grad * ((accumulator(x[walk.element]) - center) * scale));
    }
    sums = block_reduce(sums, AddGradientSums(), scratch);
    if (threadIdx.x == 0) {
      partial[2 * item] = sums.bias;
      partial[2 * item + 1] = sums.weight;
    }
  }
}

extern "C" __global__ void batch_norm_gradient_totals(const accumulator* __restrict__ partial,
                                                      real* __restrict__ grad_weight, real* __restrict__ grad_bias,
                                                      Channels sizes) {
  __shared__ GradientSums scratch[MAXIMUM_WARPS];
  for (index_t channel = blockIdx.x; channel < sizes.channels; channel += gridDim.x) {
    GradientSums sums = {0, 0};
    for (index_t part = threadIdx.x; part < sizes.parts; part += blockDim.x) {
      sums = AddGradientSums()(sums, gradient_sums_at(partial, channel * sizes.parts + part));
    }
    sums = block_reduce(sums, AddGradientSums(), scratch);
    if (threadIdx.x == 0) {
      grad_weight[channel] = real(sums.weight);
      grad_bias[channel] = real(sums.bias);
    }
  }
}

// x moves its own output, and every output of its channel through the mean and the variance.
extern "C" __global__ void batch_norm_backward(const real* __restrict__ grad_y, const real* __restrict__ x,
                                               const real* __restrict__ y, const real* __restrict__ weight,
                                               const real* __restrict__ mean, const real* __restrict__ inv_std,
                                               const real* __restrict__ grad_weight,
                                               const real* __restrict__ grad_bias, real* __restrict__ grad_x,
                                               Channels sizes) {
  const index_t size = sizes.size();
  const accumulator values = sizes.count;
  ElementWalk walk(global_thread(), total_threads(), sizes);
  for (index_t i = global_thread(); i < size; i += total_threads(), walk.advance()) {
    const index_t channel = walk.channel;
    const accumulator deviation = inv_std[channel];
    const accumulator scale = weight ? deviation * accumulator(weight[channel]) : deviation;
    const accumulator normalised = (accumulator(x[i]) - accumulator(mean[channel])) * deviation;
    const accumulator through_variance = normalised * (accumulator(grad_weight[channel]) / values);
    const accumulator through_mean = accumulator(grad_bias[channel]) / values;
    const accumulator direct = rounded_sum(gradient_at(grad_y, y, i), -through_variance);
    grad_x[i] = real((direct - through_mean) * scale);
  }
}
