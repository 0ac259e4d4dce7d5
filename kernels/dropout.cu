// Dropout, with random numbers that are addressed and never advanced: Philox 4x32-10.
//   dropout  one thread a block of four elements: counter b gives the words of elements 4b to 4b + 3.
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
  const index_t blocks_of_four = (size + 3) / 4;
  for (index_t block = global_thread(); block < blocks_of_four; block += total_threads()) {
    unsigned int words[4] = {(unsigned int)block, (unsigned int)(block >> 32), step, epoch};
    philox(words, key0, key1);
#pragma unroll
    for (int word = 0; word < 4; ++word) {
      const index_t i = 4 * block + word;
      if (i < size) {
        const bool kept = words[word] >= threshold;
        mask[i] = kept;
        y[i] = kept ? x[i] * scale : real(0);
      }
    }
  }
}
