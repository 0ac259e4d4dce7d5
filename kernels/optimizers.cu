// Steps of the optimizers, in place, over many parameter arrays in one launch.
//   sgd_step   SGD with momentum, dampening, Nesterov's look ahead and weight decay.
//   adam_step  Adam, and AdamW if `decoupled`.
// One block a chunk of `chunk_size` elements of one of the arrays, one thread an element of it at a time.
// Every product and every sum rounds by itself, in the order of the NumPy backend: the compiler would otherwise fuse a
// product and a sum into one operation that rounds once, and the two backends would drift apart. Results are equal bit
// for bit, unless a number is denormal: CuPy's compiler options turn those of float32 into 0. NaN and infinity go
// through.
//
// Sources: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1; Loshchilov and Hutter 2019, arXiv:1711.05101.

constexpr int ARRAYS_PER_LAUNCH = 64;

// By value: no copy to the device, and nothing to keep alive there. Kernel arguments hold 4096 bytes.
struct ParameterTable {
  real* values[ARRAYS_PER_LAUNCH];
  const real* grads[ARRAYS_PER_LAUNCH];
  real* averages[ARRAYS_PER_LAUNCH];          // momentum buffers, or Adam's averages of the gradients
  real* square_averages[ARRAYS_PER_LAUNCH];   // Adam's averages of the squared gradients
  index_t sizes[ARRAYS_PER_LAUNCH];
  index_t chunk_ends[ARRAYS_PER_LAUNCH];      // array a owns the chunks from chunk_ends[a - 1] to chunk_ends[a] - 1
};

__device__ __forceinline__ float product(float first, float second) { return __fmul_rn(first, second); }
__device__ __forceinline__ double product(double first, double second) { return __dmul_rn(first, second); }
__device__ __forceinline__ float sum(float first, float second) { return __fadd_rn(first, second); }
__device__ __forceinline__ double sum(double first, double second) { return __dadd_rn(first, second); }

// Walks over the chunks of one block and names the elements of this thread.
struct ChunkWalk {
  index_t chunk, chunks, first_chunk;
  int array;

  __device__ ChunkWalk(index_t chunks) : chunk(blockIdx.x), chunks(chunks), first_chunk(0), array(0) {}

  // Move on to the array that owns the chunk; chunks only go up.
  __device__ bool find(const ParameterTable& table) {
    if (chunk >= chunks) return false;
    while (chunk >= table.chunk_ends[array]) first_chunk = table.chunk_ends[array++];
    return true;
  }

  __device__ void advance() { chunk += gridDim.x; }
  __device__ index_t begin(index_t chunk_size) const { return (chunk - first_chunk) * chunk_size; }
  __device__ index_t end(index_t chunk_size, index_t size) const {
    const index_t full = begin(chunk_size) + chunk_size;
    return full < size ? full : size;
  }
};

// `gain` is 1 - dampening. The averages are None without momentum; if `first`, they hold nothing yet.
extern "C" __global__ void sgd_step(ParameterTable table, accumulator lr, accumulator momentum, accumulator gain,
                                    accumulator weight_decay, bool nesterov, bool has_momentum, bool first,
                                    index_t chunks, index_t chunk_size) {
  for (ChunkWalk walk(chunks); walk.find(table); walk.advance()) {
    const int a = walk.array;
    const index_t end = walk.end(chunk_size, table.sizes[a]);
    for (index_t i = walk.begin(chunk_size) + threadIdx.x; i < end; i += blockDim.x) {
      const accumulator value = table.values[a][i];
      accumulator update = table.grads[a][i];
      if (weight_decay != 0) update = sum(update, product(weight_decay, value));
      if (has_momentum) {
        accumulator average = update;
        if (!first) average = sum(product(table.averages[a][i], momentum), product(gain, update));
        table.averages[a][i] = real(average);
        update = nesterov ? sum(update, product(momentum, average)) : average;
      }
      table.values[a][i] = real(sum(value, -product(lr, update)));
    }
  }
}

// `step_size` is lr over the first bias correction, `root_correction` the root of the second one, `shrink` the factor
// 1 - lr * weight_decay of AdamW; `weight_decay` is added to the gradient otherwise.
extern "C" __global__ void adam_step(ParameterTable table, accumulator step_size, accumulator gain1, accumulator beta2,
                                     accumulator gain2, accumulator eps, accumulator root_correction,
                                     accumulator shrink, accumulator weight_decay, bool decoupled, index_t chunks,
                                     index_t chunk_size) {
  for (ChunkWalk walk(chunks); walk.find(table); walk.advance()) {
    const int a = walk.array;
    const index_t end = walk.end(chunk_size, table.sizes[a]);
    for (index_t i = walk.begin(chunk_size) + threadIdx.x; i < end; i += blockDim.x) {
      accumulator value = table.values[a][i];
      accumulator grad = table.grads[a][i];
      if (decoupled) {
        value = product(value, shrink);
      } else if (weight_decay != 0) {
        grad = sum(grad, product(weight_decay, value));
      }
      accumulator average = table.averages[a][i];
      average = sum(average, product(gain1, sum(grad, -average)));
      const accumulator square_average =
          sum(product(table.square_averages[a][i], beta2), product(gain2, product(grad, grad)));
      table.averages[a][i] = real(average);
      table.square_averages[a][i] = real(square_average);
      const accumulator root = sum(sqrt(square_average) / root_correction, eps);
      table.values[a][i] = real(sum(value, -(product(step_size, average) / root)));
    }
  }
}
