// Errors of the core: thrown inside, turned into a code and a message where the C interface ends.
#pragma once

#include <new>
#include <string>
#include <utility>

namespace textcnn {

struct Error {
  std::string message;
};

// The message of the last error on this thread, as `textcnn_error` returns it.
std::string& last_error();

[[noreturn]] inline void fail(std::string message) { throw Error{std::move(message)}; }

inline std::string text_of(int64_t number) { return std::to_string(number); }

// Runs what a function of the C interface does; nothing is thrown across it.
template <class Result, class Function>
Result guarded(Result failed, Function&& function) {
  try {
    return function();
  } catch (const Error& error) {
    last_error() = error.message;
  } catch (const std::bad_alloc&) {
    last_error() = "out of memory";
  } catch (...) {
    last_error() = "unexpected error in the compiled core";
  }
  return failed;
}

}  // namespace textcnn
