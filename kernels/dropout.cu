// Dropout, with random numbers that are addressed and never advanced: Philox 4x32-10.
//   dropout  one thread a block of four elements: counter b gives the words of elements 4b to 4b + 3, which are loaded
//            and stored at once, unless x begins where it may not or the block is the last and not whole.
// Element i, in logical order of a contiguous array, is kept if word i mod 4 of counter i / 4 is at least the
// threshold: the bits of gpunet/random.py, whatever the launch. The counter's upper half is (step, epoch).
// What is dropped becomes 0 even where it is not finite.
//
// Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

__device__ __forceinline__ void philox(unsigned int words[4], unsigned int key0, unsigned int key1) {
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const unsigned long long product0 = 0xD2511F53ull * words[0];
    const unsigned long long product1 = 0xCD9E8D57ull * words[2];
    words[0] = (unsigned int)(product1 >> 32) ^ words[1] ^ key0;
    words[1] = (unsigned int)product1;
    words[2] = (unsigned int)(product0 >> 32) ^ words[3] ^ key1;
    words[3] = (unsigned int)product0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

extern "C" __global__ void dropout(const real* __restrict__ x, real* __restrict__ y, bool* __restrict__ mask,
                                   unsigned int threshold, real scale, unsigned int key0, unsigned int key1,
                                   unsigned int step, unsigned int epoch, index_t size) {
  typedef Pack<real, 4> Four;
  typedef Pack<bool, 4> FourMasks;
  const index_t blocks_of_four = (size + 3) / 4;
  const bool may_load_four = may_pack<Four>(x);
  for (index_t block = global_thread(); block < blocks_of_four; block += total_threads()) {
    unsigned int words[4] = {(unsigned int)block, (unsigned int)(block >> 32), step, epoch};
    philox(words, key0, key1);
    const index_t first = 4 * block;
    const bool is_whole = first + 4 <= size;
    Four values = {};
    if (is_whole && may_load_four) {
      values = reinterpret_cast<const Four*>(x)[block];
    } else {
      for (int i = 0; i < 4 && first + i < size; ++i) values.values[i] = x[first + i];
    }
    FourMasks kept;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      kept.values[i] = words[i] >= threshold;
      values.values[i] = kept.values[i] ? values.values[i] * scale : real(0);
    }
    if (is_whole) {
      reinterpret_cast<Four*>(y)[block] = values;
      reinterpret_cast<FourMasks*>(mask)[block] = kept;
    } else {
      for (int i = 0; i < 4 && first + i < size; ++i) {
        y[first + i] = values.values[i];
        mask[first + i] = kept.values[i];
      }
    }
  }
}
