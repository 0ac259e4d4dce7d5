// Softmax and cross entropy of (N, C, inner) logits, one label for each of the N * inner samples.
//   label_weights               one block a chunk of samples: the sum of their weights.
//   softmax_cross_entropy       one thread a sample; neighbouring threads read neighbouring samples of a class.
//   softmax_cross_entropy_wide  one block a sample; for many classes with no axes after them, where neighbouring
//                               threads read neighbouring classes.
// The gradient is divided by the sum of the weights of the samples that count; 0 / 0 gives NaN if there are none.
// The largest logit is subtracted first, so that no exponential overflows. An ignored sample has loss 0 and gradient 0
// whatever its logits; a NaN, or no finite logit at all, gives NaN for its sample.
// A label outside [0, C) that is not ignored reads nothing: its weight is NaN, and so are its loss and every gradient.

// What one sample's row needs to become gradients.
struct Sample {
  accumulator largest;                // logit
  accumulator exponentials;           // the sum of exp(logit - largest)
  accumulator logarithm;              // of that sum
  accumulator weight;                 // of the label
  accumulator all_weights;            // of all classes, for the evenly spread share
  accumulator smoothing, share;       // the part of the target that is spread, and what each class gets of it
  index_t label;
};

__device__ __forceinline__ accumulator weight_of(const real* class_weight, index_t index, index_t classes) {
  if (index < 0 || index >= classes) return accumulator(nan(""));
  return class_weight ? accumulator(class_weight[index]) : accumulator(1);
}

__device__ __forceinline__ Sample sample_of(const real* row, index_t label, const real* class_weight, index_t classes,
                                            accumulator smoothing) {
  const accumulator weight = weight_of(class_weight, label, classes);
  const Sample sample = {row[0], 0, 0, weight, 0, smoothing, smoothing / classes, label};
  return sample;
}

__device__ __forceinline__ accumulator log_probability(const Sample& sample, accumulator logit) {
  return logit - sample.largest - sample.logarithm;
}

__device__ __forceinline__ accumulator gradient(const Sample& sample, accumulator logit, index_t index,
                                                const real* class_weight, index_t classes) {
  const accumulator probability = exp(logit - sample.largest) / sample.exponentials;
  const accumulator sharp = probability * sample.weight - (index == sample.label ? sample.weight : accumulator(0));
  if (sample.smoothing == 0) return sharp;
  const accumulator even = probability * sample.all_weights - weight_of(class_weight, index, classes);
  return (accumulator(1) - sample.smoothing) * sharp + sample.share * even;
}

// The loss, given the sum over classes of their weight times log probability, which only smoothing needs.
__device__ __forceinline__ accumulator loss_of(const Sample& sample, const real* row, index_t stride, index_t classes,
                                               accumulator weighted_logs) {
  if (sample.label < 0 || sample.label >= classes) return sample.weight;
  const accumulator sharp = -log_probability(sample, row[sample.label * stride]) * sample.weight;
  if (sample.smoothing == 0) return sharp;
  return (accumulator(1) - sample.smoothing) * sharp - sample.share * weighted_logs;
}

extern "C" __global__ void label_weights(const index_t* __restrict__ labels, const real* __restrict__ class_weight,
                                         accumulator* __restrict__ partial, index_t ignore_index, index_t classes,
                                         index_t samples, index_t chunk_size) {
  __shared__ accumulator scratch[MAXIMUM_WARPS];
  const index_t chunks = (samples + chunk_size - 1) / chunk_size;
  for (index_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const index_t end = (chunk + 1) * chunk_size < samples ? (chunk + 1) * chunk_size : samples;
    accumulator sum = 0;
    for (index_t i = chunk * chunk_size + threadIdx.x; i < end; i += blockDim.x) {
      if (labels[i] != ignore_index) sum += weight_of(class_weight, labels[i], classes);
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) partial[chunk] = sum;
  }
}

extern "C" __global__ void softmax_cross_entropy(const real* __restrict__ logits, const index_t* __restrict__ labels,
                                                 const real* __restrict__ class_weight,
                                                 const real* __restrict__ total_weight, real* __restrict__ losses,
                                                 real* __restrict__ grad, index_t ignore_index, accumulator smoothing,
                                                 index_t classes, index_t inner, index_t samples) {
  const accumulator total = total_weight[0];
  for (index_t i = global_thread(); i < samples; i += total_threads()) {
    const index_t start = i / inner * classes * inner + i % inner;
    const real* row = logits + start;
    if (labels[i] == ignore_index) {
      losses[i] = real(0);
      for (index_t k = 0; k < classes; ++k) grad[start + k * inner] = real(accumulator(0) / total);
      continue;
    }
    Sample sample = sample_of(row, labels[i], class_weight, classes, smoothing);
    for (index_t k = 1; k < classes; ++k) sample.largest = Maximum()(sample.largest, accumulator(row[k * inner]));
    for (index_t k = 0; k < classes; ++k) sample.exponentials += exp(accumulator(row[k * inner]) - sample.largest);
    sample.logarithm = log(sample.exponentials);
    accumulator weighted_logs = 0;
    if (smoothing != 0) {
      for (index_t k = 0; k < classes; ++k) {
        const accumulator weight = weight_of(class_weight, k, classes);
        sample.all_weights += weight;
        weighted_logs += weight * log_probability(sample, row[k * inner]);
      }
    }
    losses[i] = real(loss_of(sample, row, inner, classes, weighted_logs));
    for (index_t k = 0; k < classes; ++k) {
      grad[start + k * inner] = real(gradient(sample, row[k * inner], k, class_weight, classes) / total);
    }
  }
}

extern "C" __global__ void softmax_cross_entropy_wide(const real* __restrict__ logits,
                                                      const index_t* __restrict__ labels,
                                                      const real* __restrict__ class_weight,
                                                      const real* __restrict__ total_weight,
                                                      real* __restrict__ losses, real* __restrict__ grad,
                                                      index_t ignore_index, accumulator smoothing, index_t classes,
                                                      index_t samples) {
  __shared__ accumulator scratch[MAXIMUM_WARPS];
  const accumulator total = total_weight[0];
  for (index_t i = blockIdx.x; i < samples; i += gridDim.x) {
    const real* row = logits + i * classes;
    real* grad_row = grad + i * classes;
    if (labels[i] == ignore_index) {  // the whole block goes here or not
      if (threadIdx.x == 0) losses[i] = real(0);
      for (index_t k = threadIdx.x; k < classes; k += blockDim.x) grad_row[k] = real(accumulator(0) / total);
      continue;
    }
    Sample sample = sample_of(row, labels[i], class_weight, classes, smoothing);
    for (index_t k = threadIdx.x; k < classes; k += blockDim.x) {
      sample.largest = Maximum()(sample.largest, accumulator(row[k]));
    }
    sample.largest = block_reduce(sample.largest, Maximum(), scratch);
    for (index_t k = threadIdx.x; k < classes; k += blockDim.x) {
      sample.exponentials += exp(accumulator(row[k]) - sample.largest);
    }
    sample.exponentials = block_sum(sample.exponentials, scratch);
    sample.logarithm = log(sample.exponentials);
    accumulator weighted_logs = 0;
    if (smoothing != 0) {
      for (index_t k = threadIdx.x; k < classes; k += blockDim.x) {
        const accumulator weight = weight_of(class_weight, k, classes);
        sample.all_weights += weight;
        weighted_logs += weight * log_probability(sample, row[k]);
      }
      sample.all_weights = block_sum(sample.all_weights, scratch);
      weighted_logs = block_sum(weighted_logs, scratch);
    }
    if (threadIdx.x == 0) losses[i] = real(loss_of(sample, row, 1, classes, weighted_logs));
    for (index_t k = threadIdx.x; k < classes; k += blockDim.x) {
      grad_row[k] = real(gradient(sample, row[k], k, class_weight, classes) / total);
    }
  }
}
