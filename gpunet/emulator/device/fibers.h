// A fiber: a stack of its own on which one CUDA thread runs until it waits.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sanitizers.h"

// Saves the registers that a function must keep on the running stack and the stack's place in *from, then goes on where
// `to` was saved.
extern "C" __attribute__((visibility("hidden"))) void gpunet_emulator_switch(void** from, void* to);

namespace gpunet_emulator {

// Of each CUDA thread; local arrays of a kernel live here. Pages that are not touched cost nothing.
constexpr size_t kStackBytes = 256 * 1024;
// Below each stack, where nothing may be touched: more than one page, which a large local array would step over.
constexpr size_t kGuardBytes = 64 * 1024;

class __attribute__((visibility("hidden"))) Fiber {
 public:
  // Makes the fiber ready to run entry() from its beginning on its own, clean stack. entry never returns.
  void prepare(void (*entry)());
  // Leaves the calling stack, whose place is kept in *from, for the fiber.
  void enter(void** from);
  // Leaves the fiber for the stack that `to` names. `last`: the fiber will not be entered again.
  void leave(void* to, bool last);
  void begun();  // to be called first on the fiber's stack
  void back();   // to be called by whoever entered, as soon as the fiber has left

  // Names the CUDA thread to a sanitizer that tells fibers apart.
  void introduce(const char* name);
  // What the sanitizer knows the thread by, when the block has ended; null without such a sanitizer.
  void* take_race_fiber();
  // Whether the address lies just below the stack, where a stack that has been used up is met.
  bool guards(const void* address) const;

 private:
  char* stack_ = nullptr;  // lowest usable address; the guard stands below
  void* pointer_ = nullptr;
  void* race_fiber_ = nullptr;
  void* race_caller_ = nullptr;
  void* caller_fake_stack_ = nullptr;
  void* own_fake_stack_ = nullptr;
  const void* caller_stack_ = nullptr;
  size_t caller_stack_bytes_ = 0;
};

// Inline: a kernel with barriers switches twice for each thread at each of them.

inline void Fiber::enter(void** from) {
  if (__sanitizer_start_switch_fiber) __sanitizer_start_switch_fiber(&caller_fake_stack_, stack_, kStackBytes);
  if (race_fiber_) {
    race_caller_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(race_fiber_, kSwitchWithoutOrder);
  }
  gpunet_emulator_switch(from, pointer_);
}

inline void Fiber::begun() {
  if (__sanitizer_finish_switch_fiber)
    __sanitizer_finish_switch_fiber(own_fake_stack_, &caller_stack_, &caller_stack_bytes_);
}

inline void Fiber::leave(void* to, bool last) {
  if (__sanitizer_start_switch_fiber)
    __sanitizer_start_switch_fiber(last ? nullptr : &own_fake_stack_, caller_stack_, caller_stack_bytes_);
  if (race_fiber_) __tsan_switch_to_fiber(race_caller_, kSwitchWithoutOrder);
  gpunet_emulator_switch(&pointer_, to);
  begun();
}

inline void Fiber::back() {
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(caller_fake_stack_, nullptr, nullptr);
}

}  // namespace gpunet_emulator
