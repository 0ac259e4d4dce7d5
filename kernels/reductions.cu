// Sums over whole arrays, in a fixed order: the same bits in every run, whatever the number of blocks.
//   sum_of_squares  one block a chunk of `chunk_size` elements of one of several arrays; partial[chunk] gets its sum.
//   sum_rows        one block a row of `count` values, which it adds into one.
// Each thread adds every blockDim.x-th element, then the threads' sums are added as a tree: rounding errors grow with
// the chunk's share of a thread and the tree's height, not with the number of elements.
// NaN and infinity go through. An empty sum is 0.

// Arrays to add up, by value: no copy to the device, and nothing to keep alive there.
constexpr int ARRAYS_PER_LAUNCH = 64;

struct ArrayTable {
  const real* arrays[ARRAYS_PER_LAUNCH];
  index_t sizes[ARRAYS_PER_LAUNCH];
  index_t chunk_ends[ARRAYS_PER_LAUNCH];  // array a owns the chunks from chunk_ends[a - 1] to chunk_ends[a] - 1
};

extern "C" __global__ void sum_of_squares(ArrayTable table, accumulator* __restrict__ partial, index_t chunks,
                                          index_t chunk_size) {
  __shared__ accumulator scratch[MAXIMUM_WARPS];
  int array = 0;
  index_t first_chunk = 0;
  for (index_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    while (chunk >= table.chunk_ends[array]) first_chunk = table.chunk_ends[array++];  // chunks only go up
    const real* values = table.arrays[array];
    const index_t start = (chunk - first_chunk) * chunk_size, size = table.sizes[array];
    const index_t end = start + chunk_size < size ? start + chunk_size : size;
    accumulator sum = 0;
    for (index_t i = start + threadIdx.x; i < end; i += blockDim.x) {
      const accumulator value = values[i];
      sum += value * value;
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) partial[chunk] = sum;
  }
}

extern "C" __global__ void sum_rows(const accumulator* __restrict__ values, real* __restrict__ totals, index_t rows,
                                    index_t count) {
  __shared__ accumulator scratch[MAXIMUM_WARPS];
  for (index_t row = blockIdx.x; row < rows; row += gridDim.x) {
    accumulator sum = 0;
    for (index_t i = threadIdx.x; i < count; i += blockDim.x) sum += values[row * count + i];
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) totals[row] = real(sum);
  }
}
