// The kernels for one set of instructions, TEXTCNN_ISA: this file is compiled once for each.
//
// Everything here has internal linkage or lies in a namespace of that name, so that the linker never takes a function
// that was compiled for wider registers than a machine has.
#include "kernels.hpp"

#include "simd.hpp"

#define TEXTCNN_JOIN(a, b) a##b
#define TEXTCNN_NAMED(a, b) TEXTCNN_JOIN(a, b)
#define TEXTCNN_TEXT(a) #a
#define TEXTCNN_NAME(a) TEXTCNN_TEXT(a)

namespace textcnn {
namespace {

#include "windows.hpp"

#include "means.hpp"

#include "features.hpp"

#include "ascii_stretch.hpp"

#include "ascii_keys.hpp"

#include "ascii_words.hpp"

#include "winning.hpp"

#include "replacing.hpp"

#include "bag_rows.hpp"

}  // namespace

#if defined(__wasm__)
#define TEXTCNN_TRAINING nullptr  // a browser only answers
#else
extern const TrainingKernels TEXTCNN_NAMED(training_kernels_, TEXTCNN_ISA);
#define TEXTCNN_TRAINING &TEXTCNN_NAMED(training_kernels_, TEXTCNN_ISA)
#endif
extern const Kernels TEXTCNN_NAMED(kernels_, TEXTCNN_ISA);
const Kernels TEXTCNN_NAMED(kernels_, TEXTCNN_ISA) = {
    TEXTCNN_NAME(TEXTCNN_ISA),
    TEXTCNN_TRAINING,
    add_windows,
    add_activations,
    scale_maxima,
    apply_head,
    row_of_factors,
    scan_ascii,
    find_winners,
    finish_winners,
    least_of_tokens,
    add_bag_rows,
    apply_bag_output,
};

}  // namespace textcnn
