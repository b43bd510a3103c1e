// Chooses the kernels for this machine, and the library's own functions of the C interface.
#include <atomic>
#include <cstring>

#include "error.hpp"
#include "kernels.hpp"

namespace textcnn {

#define TEXTCNN_DECLARE(name) extern const Kernels kernels_##name;
#ifdef TEXTCNN_HAS_avx512
TEXTCNN_DECLARE(avx512)
#endif
#ifdef TEXTCNN_HAS_avx2
TEXTCNN_DECLARE(avx2)
#endif
#ifdef TEXTCNN_HAS_sse2
TEXTCNN_DECLARE(sse2)
#endif
#ifdef TEXTCNN_HAS_neon
TEXTCNN_DECLARE(neon)
#endif
#ifdef TEXTCNN_HAS_wasm128
TEXTCNN_DECLARE(wasm128)
#endif
#ifdef TEXTCNN_HAS_plain
TEXTCNN_DECLARE(plain)
#endif

namespace {

// The kernels that this machine can run, the widest registers first; null at the end.
const Kernels* const* available() {
  static const Kernels* found[8] = {};
  static const bool ready = [] {
    int count = 0;
#ifdef TEXTCNN_HAS_avx512
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
      found[count++] = &kernels_avx512;
#endif
#ifdef TEXTCNN_HAS_avx2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
      found[count++] = &kernels_avx2;
#endif
#ifdef TEXTCNN_HAS_sse2
    found[count++] = &kernels_sse2;
#endif
#ifdef TEXTCNN_HAS_neon
    found[count++] = &kernels_neon;
#endif
#ifdef TEXTCNN_HAS_wasm128
    found[count++] = &kernels_wasm128;
#endif
#ifdef TEXTCNN_HAS_plain
    found[count++] = &kernels_plain;
#endif
    return true;
  }();
  (void)ready;
  return found;
}

std::atomic<const Kernels*> chosen{nullptr};

}  // namespace

const Kernels& kernels() {
  const Kernels* own = chosen.load(std::memory_order_relaxed);
  if (own == nullptr) {
    own = available()[0];
    chosen.store(own, std::memory_order_relaxed);
  }
  return *own;
}

const TrainingKernels& training_kernels() { return *kernels().training; }

std::string& last_error() {
  thread_local std::string message;
  return message;
}

}  // namespace textcnn

using namespace textcnn;

int32_t textcnn_abi(void) { return TEXTCNN_ABI; }

const char* textcnn_error(void) { return last_error().c_str(); }

const char* textcnn_instructions(void) { return kernels().name; }

int32_t textcnn_use_instructions(const char* name) {
  for (const Kernels* const* own = available(); *own != nullptr; ++own)
    if (std::strcmp((*own)->name, name) == 0) {
      chosen.store(*own, std::memory_order_relaxed);
      return 0;
    }
  std::string message = std::string("instructions: got ") + name + ", which this machine or this build lacks; expected one of";
  for (const Kernels* const* own = available(); *own != nullptr; ++own)
    message += std::string(own == available() ? " " : ", ") + (*own)->name;
  last_error() = message;
  return -1;
}
