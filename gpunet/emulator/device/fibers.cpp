#include "fibers.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

// System V x86-64; MXCSR and the x87 control word are never changed by a kernel.
asm(R"(
.text
.globl gpunet_emulator_switch
.hidden gpunet_emulator_switch
.type gpunet_emulator_switch, @function
gpunet_emulator_switch:
  endbr64
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size gpunet_emulator_switch, .-gpunet_emulator_switch
.section .note.GNU-stack, "", @progbits
.text
)");

namespace gpunet_emulator {

void Fiber::prepare(void (*entry)()) {
  if (stack_ == nullptr) {
    void* memory = mmap(nullptr, kStackBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) {
      fprintf(stderr, "gpunet emulate: no memory for the stack of a CUDA thread (%zu bytes)\n", kStackBytes);
      abort();
    }
    mprotect(memory, kGuardBytes, PROT_NONE);
    stack_ = (char*)memory + kGuardBytes;
  }
  if (bounds_are_checked()) __asan_unpoison_memory_region(stack_, kStackBytes);
  uint64_t* top = (uint64_t*)(stack_ + kStackBytes);
  *--top = 0;  // entry is reached by `ret`: the stack is then aligned as after a call
  *--top = (uint64_t)entry;
  for (int saved = 0; saved < 6; saved++) *--top = 0;
  pointer_ = top;
  own_fake_stack_ = nullptr;
}

void Fiber::introduce(const char* name) {
  if (!races_are_checked()) return;
  forget_accesses(stack_, kStackBytes);
  race_fiber_ = __tsan_create_fiber(0);
  __tsan_set_fiber_name(race_fiber_, name);
}

bool Fiber::guards(const void* address) const {
  return stack_ != nullptr && address < stack_ && (const char*)address >= stack_ - kGuardBytes;
}

void* Fiber::take_race_fiber() {
  void* taken = race_fiber_;
  race_fiber_ = nullptr;
  return taken;
}

}  // namespace gpunet_emulator
