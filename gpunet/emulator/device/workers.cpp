#include "workers.h"

#include <pthread.h>

#include <thread>

namespace gpunet_emulator {

namespace {
Workers* workers = nullptr;
// A child of fork() has none of its parent's OS threads: it starts its own.
void forget_workers() { workers = nullptr; }
std::once_flag fork_is_watched;
}  // namespace

Workers& Workers::of_this_process() {
  std::call_once(fork_is_watched, [] { pthread_atfork(nullptr, nullptr, forget_workers); });
  static std::mutex creation;
  std::lock_guard<std::mutex> hold(creation);
  if (workers == nullptr) workers = new Workers;  // never freed: its OS threads wait in it until the process ends
  return *workers;
}

void Workers::run(int count, void (*work)(void*), void* argument) {
  std::lock_guard<std::mutex> alone(one_launch_);
  {
    std::lock_guard<std::mutex> hold(lock_);
    while (started_ < count - 1) {
      std::thread(&Workers::stand_by, this, started_).detach();
      started_++;
    }
    work_ = work;
    argument_ = argument;
    wanted_ = busy_ = count - 1;
    launch_++;
  }
  begin_.notify_all();
  work(argument);
  std::unique_lock<std::mutex> hold(lock_);
  end_.wait(hold, [this] { return busy_ == 0; });
}

void Workers::stand_by(int number) {
  unsigned long seen = 0;
  std::unique_lock<std::mutex> hold(lock_);
  for (;;) {
    begin_.wait(hold, [&] { return launch_ != seen; });
    seen = launch_;
    if (number >= wanted_) continue;
    hold.unlock();
    work_(argument_);
    hold.lock();
    if (--busy_ == 0) end_.notify_one();
  }
}

}  // namespace gpunet_emulator
