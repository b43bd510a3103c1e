// What a browser needs beside the C interface: memory for texts and files, and an error instead of an exception.
//
// WebAssembly runs here without exceptions. A `throw` stores its message and stops the call with a trap, which JavaScript
// catches; `textcnn_error` then returns the message. A model that was being opened is lost by that, and nothing else.
#if defined(__wasm__)

#include <cstdlib>
#include <typeinfo>

#include "error.hpp"
#include "tokenizer.hpp"

using namespace textcnn;

extern "C" {

__attribute__((visibility("default"))) void* textcnn_allocate(size_t bytes) { return std::malloc(bytes); }

// What `throw` calls: memory for the thrown object, and then the object with its type.
void* __cxa_allocate_exception(size_t bytes) noexcept { return std::malloc(bytes); }

[[noreturn]] void __cxa_throw(void* thrown, std::type_info* type, void* (*)(void*)) {
  if (*type == typeid(Error))
    last_error() = static_cast<const Error*>(thrown)->message;
  else if (*type == typeid(NotCompiled))
    last_error() = "tokenizer.json is not compiled (" + static_cast<const NotCompiled*>(thrown)->reason + ")";
  else if (*type == typeid(std::bad_alloc))
    last_error() = "out of memory";
  else
    last_error() = "unexpected error in the compiled core";
  __builtin_trap();
}

// Objects of a thread live as long as the module.
int __cxa_thread_atexit(void (*)(void*), void*, void*) noexcept { return 0; }

}  // extern "C"

#endif
