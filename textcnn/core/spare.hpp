// Objects that calls take out and give back: no lock that a fork could leave held, and no wait.
#pragma once

#include <array>
#include <atomic>
#include <memory>

namespace textcnn {

template <class Object>
class Spare {
 public:
  Spare() = default;
  Spare(const Spare&) = delete;
  Spare& operator=(const Spare&) = delete;
  ~Spare() {
    for (auto& place : places_) delete place.load();
  }

  // One that no other call uses; made by `make` where none is left.
  template <class Make>
  std::unique_ptr<Object> take(Make&& make) {
    for (auto& place : places_)
      if (place.load(std::memory_order_relaxed) != nullptr)
        if (Object* own = place.exchange(nullptr, std::memory_order_acq_rel)) return std::unique_ptr<Object>(own);
    return make();
  }

  void give_back(std::unique_ptr<Object> object) {
    for (auto& place : places_) {
      Object* expected = nullptr;
      if (place.compare_exchange_strong(expected, object.get(), std::memory_order_acq_rel)) {
        (void)object.release();
        return;
      }
    }
  }

 private:
  std::array<std::atomic<Object*>, 32> places_{};
};

// One of them, for as long as this lives.
template <class Object>
class Borrowed {
 public:
  template <class Make>
  Borrowed(Spare<Object>& spare, Make&& make) : spare_(spare), object_(spare.take(make)) {}
  ~Borrowed() { spare_.give_back(std::move(object_)); }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  Object& operator*() const { return *object_; }
  Object* operator->() const { return object_.get(); }

 private:
  Spare<Object>& spare_;
  std::unique_ptr<Object> object_;
};

}  // namespace textcnn
