// OS threads that stand ready to share a launch's blocks.
#pragma once

#include <condition_variable>
#include <mutex>

namespace gpunet_emulator {

class Workers {
 public:
  static Workers& of_this_process();

  // Runs work(argument) on `count` OS threads at once, the caller's among them; returns when all are done.
  void run(int count, void (*work)(void*), void* argument);

 private:
  void stand_by(int number);

  std::mutex one_launch_;  // launches of several OS threads take turns
  std::mutex lock_;
  std::condition_variable begin_, end_;
  unsigned long launch_ = 0;
  int started_ = 0, wanted_ = 0, busy_ = 0;
  void (*work_)(void*) = nullptr;
  void* argument_ = nullptr;
};

}  // namespace gpunet_emulator
