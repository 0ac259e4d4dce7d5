#include "fatal_signals.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <iterator>

#include "context.h"
#include "run_blocks.h"
#include "sanitizers.h"
#include "scheduler.h"

namespace gpunet_emulator {

namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE};
constexpr size_t kSignalStackBytes = 64 * 1024;

struct sigaction before[std::size(kSignals)];
std::atomic<bool> has_spoken{false};
__thread bool runs_kernel __attribute__((tls_model("initial-exec"))) = false;

// A stack for the handler, of each OS thread: the thread's own, a fiber's, may be what was used up.
class SignalStack {
 public:
  SignalStack() {
    stack_t now;
    if (sigaltstack(nullptr, &now) != 0 || (now.ss_flags & SS_DISABLE) == 0) return;  // the program's own serves
    void* memory =
        mmap(nullptr, kSignalStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return;
    memory_ = memory;
    stack_t wanted = {};
    wanted.ss_sp = memory;
    wanted.ss_size = kSignalStackBytes;
    sigaltstack(&wanted, nullptr);
  }
  ~SignalStack() {
    stack_t now;
    if (memory_ == nullptr || sigaltstack(nullptr, &now) != 0) return;
    if (now.ss_sp == memory_) {  // the program has not put another in its place
      stack_t none = {};
      none.ss_flags = SS_DISABLE;
      sigaltstack(&none, nullptr);
    }
    munmap(memory_, kSignalStackBytes);
  }

 private:
  void* memory_ = nullptr;
};

// A line put together with nothing but what a signal handler may call.
class Line {
 public:
  Line& operator<<(const char* text) {
    while (*text != 0 && used_ < sizeof(text_)) text_[used_++] = *text++;
    return *this;
  }
  Line& operator<<(unsigned number) { return digits(number, 10); }
  Line& operator<<(const void* address) { return (*this << "0x").digits((uintptr_t)address, 16); }
  void write_to(int file) const {
    if (write(file, text_, used_) < 0) return;  // nowhere to say so
  }

 private:
  Line& digits(uint64_t number, unsigned base) {
    char reversed[24];
    size_t count = 0;
    do {
      reversed[count++] = "0123456789abcdef"[number % base];
      number /= base;
    } while (number != 0);
    while (count > 0 && used_ < sizeof(text_)) text_[used_++] = reversed[--count];
    return *this;
  }
  char text_[1024];
  size_t used_ = 0;
};

void say_what_ran(int number, const siginfo_t& info) {
  const Launch* launch = running_launch();
  if (launch == nullptr || has_spoken.exchange(true)) return;
  const uint3 block = context.block;
  Line line;
  // No thread: the compiler may have taken a step for several threads at once. The check names it.
  line << "gpunet emulate: kernel " << launch->kernel << " (" << launch->file << ":" << (unsigned)launch->line
       << "), block (" << block.x << ", " << block.y << ", " << block.z << "): ";
  if (number == SIGFPE)
    line << "a division of integers by zero, or one that overflows, whose result a GPU leaves undefined (SIGFPE)\n";
  else if (info.si_code != SI_KERNEL && Scheduler::of_this_os_thread().stack_ends_at(info.si_addr))
    line << "its local arrays and calls need more than the " << (unsigned)(kStackBytes / 1024)
         << " KB of stack that a thread has here (SIGSEGV)\n";
  else {
    line << "access to ";
    if (info.si_code == SI_KERNEL)  // the processor does not tell which
      line << "an address that cannot be";
    else
      line << "address " << (const void*)info.si_addr << ", where no memory is";
    line << (number == SIGBUS ? " (SIGBUS)" : " (SIGSEGV)")
         << ". To find the line and the thread: gpunet emulate --check bounds -- COMMAND\n";
  }
  line.write_to(STDERR_FILENO);
}

// Afterwards the signal takes its course: the instruction runs again and meets whoever listened before.
void handle(int number, siginfo_t* info, void*) {
  if (runs_kernel) say_what_ran(number, *info);
  for (size_t i = 0; i < std::size(kSignals); i++)
    if (kSignals[i] == number) sigaction(number, &before[i], nullptr);
  if (info->si_code <= 0) raise(number);  // sent by someone: no instruction would send it again
}

void listen() {
  struct sigaction action = {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (size_t i = 0; i < std::size(kSignals); i++) sigaction(kSignals[i], &action, &before[i]);
}

}  // namespace

RunsKernels::RunsKernels() {
  if (bounds_are_checked()) return;  // AddressSanitizer listens itself, and says more
  static const bool listens = (listen(), true);
  static thread_local SignalStack stack;
  (void)listens;
  (void)stack;
  runs_kernel = true;
}

RunsKernels::~RunsKernels() { runs_kernel = false; }

}  // namespace gpunet_emulator
