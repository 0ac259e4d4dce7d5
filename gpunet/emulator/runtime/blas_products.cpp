#include "blas_products.h"

#include <algorithm>
#include <atomic>

#include "../device/workers.h"
#include "settings.h"

namespace gpunet_emulator {
namespace {

constexpr long long PART_WORK = 1 << 20;  // multiplications; some 100 microseconds, far more than handing it out takes
constexpr int GRAIN = 64;                 // parts are whole multiples of this, as the inner loops of a BLAS like it

struct Shared {
  void (*part)(void* context, int number);
  void* context;
  int count;
  std::atomic<int> next{0};

  static void work(void* argument) {
    Shared& shared = *static_cast<Shared*>(argument);
    for (int number = shared.next++; number < shared.count; number = shared.next++)
      shared.part(shared.context, number);
  }
};

}  // namespace

void share(int count, void (*part)(void* context, int number), void* context) {
  int workers = std::min(settings().workers, count);
  Shared shared{part, context, count};
  if (workers <= 1)
    Shared::work(&shared);
  else
    Workers::of_this_process().run(workers, Shared::work, &shared);
}

Cut cut_product(int m, int n, int k) {
  bool columns = n >= m;
  int longer = columns ? n : m, shorter = columns ? m : n;
  long long work = std::max(1LL, (long long)shorter * k);
  long long length = std::max<long long>(GRAIN, (PART_WORK / work + GRAIN - 1) / GRAIN * GRAIN);
  int part = int(std::min<long long>(length, longer));
  return {columns, part, (longer + part - 1) / part};
}

}  // namespace gpunet_emulator
