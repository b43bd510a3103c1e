// Vectors of one register: load, store, add, maximum, and int8 to wider numbers. Everything else in the core is plain C++.
//
// The widest registers of the target are used: 64 bytes with AVX-512BW, 32 with AVX2, 16 with SSE2, NEON and
// wasm128. Without any of them, `TEXTCNN_PLAIN` makes the compiler lower 16-byte vectors to scalar code: that is the
// reference of the tests. Integer sums saturate: a sum beyond the range of int8 stays at its end.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(TEXTCNN_PLAIN)
#elif defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#endif

#if defined(__GNUC__)
#define TEXTCNN_INLINE inline __attribute__((always_inline))
#else
#define TEXTCNN_INLINE inline
#endif

namespace textcnn {

#if defined(TEXTCNN_PLAIN)
constexpr int kRegisterBytes = 16;
#elif defined(__AVX512BW__)
constexpr int kRegisterBytes = 64;
#elif defined(__AVX2__)
constexpr int kRegisterBytes = 32;
#else
constexpr int kRegisterBytes = 16;
#endif

// A vector of N bytes that holds numbers of type T.
template <class T, int N>
struct Vector {
  typedef T Lanes __attribute__((vector_size(N)));
  static constexpr int kLanes = N / static_cast<int>(sizeof(T));
  Lanes lanes;

  static TEXTCNN_INLINE Vector load(const void* address) {
    Vector v;
    std::memcpy(&v.lanes, address, N);
    return v;
  }
  static TEXTCNN_INLINE Vector fill(T value) {
    Vector v;
    v.lanes = value - Lanes{};  // not a sum, which would make 0 of -0 and so has to be computed
    return v;
  }
  TEXTCNN_INLINE void store(void* address) const { std::memcpy(address, &lanes, N); }
};

template <class T, int N>
TEXTCNN_INLINE Vector<T, N> maximum(Vector<T, N> a, Vector<T, N> b) {
  Vector<T, N> v;
  v.lanes = a.lanes > b.lanes ? a.lanes : b.lanes;
  return v;
}

template <class T, int N>
TEXTCNN_INLINE Vector<T, N> add(Vector<T, N> a, Vector<T, N> b) {
  Vector<T, N> v;
  if constexpr (sizeof(T) != 1) {
    v.lanes = a.lanes + b.lanes;
    return v;
  } else {
#if defined(TEXTCNN_PLAIN)
    for (int i = 0; i < N; ++i) {
      const int sum = a.lanes[i] + b.lanes[i];
      v.lanes[i] = static_cast<T>(sum > 127 ? 127 : sum < -128 ? -128 : sum);
    }
#elif defined(__AVX2__)
#if defined(__AVX512BW__)
    if constexpr (N == 64)
      v.lanes = (typename Vector<T, N>::Lanes)_mm512_adds_epi8((__m512i)a.lanes, (__m512i)b.lanes);
#endif
    if constexpr (N == 32)
      v.lanes = (typename Vector<T, N>::Lanes)_mm256_adds_epi8((__m256i)a.lanes, (__m256i)b.lanes);
    if constexpr (N == 16) v.lanes = (typename Vector<T, N>::Lanes)_mm_adds_epi8((__m128i)a.lanes, (__m128i)b.lanes);
#elif defined(__SSE2__)
    v.lanes = (typename Vector<T, N>::Lanes)_mm_adds_epi8((__m128i)a.lanes, (__m128i)b.lanes);
#elif defined(__ARM_NEON)
    v.lanes = (typename Vector<T, N>::Lanes)vqaddq_s8((int8x16_t)a.lanes, (int8x16_t)b.lanes);
#elif defined(__wasm_simd128__)
    v.lanes = (typename Vector<T, N>::Lanes)wasm_i8x16_add_sat((v128_t)a.lanes, (v128_t)b.lanes);
#else
#error "simd.hpp: no saturating addition for this target; define TEXTCNN_PLAIN"
#endif
    return v;
  }
}

// L lanes of float, and of the 32 bits in which sums of int8 are exact.
template <int L>
struct Lanes {
  typedef float Floats __attribute__((vector_size(4 * L)));
  typedef int32_t Integers __attribute__((vector_size(4 * L)));

  static TEXTCNN_INLINE Floats load(const float* address) {
    Floats lanes;
    std::memcpy(&lanes, address, sizeof(lanes));
    return lanes;
  }
  static TEXTCNN_INLINE Integers load(const int8_t* address) {
#if defined(TEXTCNN_PLAIN)
#elif defined(__AVX512BW__)
    // With a mask, because g++ 12 warns of its own header without one.
    if constexpr (L == 16) return (Integers)_mm512_maskz_cvtepi8_epi32(0xFFFF, _mm_loadu_si128((const __m128i*)address));
#elif defined(__AVX2__)
    if constexpr (L == 8) return (Integers)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)address));
#endif
    int32_t wider[L];
    for (int i = 0; i < L; ++i) wider[i] = address[i];
    Integers lanes;
    std::memcpy(&lanes, wider, sizeof(lanes));
    return lanes;
  }
  static TEXTCNN_INLINE Floats floats(Floats lanes) { return lanes; }
  static TEXTCNN_INLINE Floats floats(Integers lanes) {
    int32_t integers[L];
    float values[L];
    std::memcpy(integers, &lanes, sizeof(lanes));
    for (int i = 0; i < L; ++i) values[i] = static_cast<float>(integers[i]);
    return load(values);
  }
};

// Asks for a cache line that is read soon.
TEXTCNN_INLINE void prefetch(const void* address) { __builtin_prefetch(address, 0, 3); }

}  // namespace textcnn
