// The training operator for one set of instructions, TEXTCNN_ISA: this file is compiled once for each. Multiplications
// are fused with additions here; nothing is reordered. Linkage as in kernels.cpp.
#include <cmath>
#include <limits>

#include "training.hpp"

#include "simd.hpp"

#define TEXTCNN_JOIN(a, b) a##b
#define TEXTCNN_NAMED(a, b) TEXTCNN_JOIN(a, b)

namespace textcnn {
namespace {

#include "training_blocks.hpp"

#include "training_product.hpp"

#include "training_windows.hpp"

#include "training_rows.hpp"

#include "bag_training.hpp"

template <class T>
constexpr TrainingFunctions<T> kFunctions = {Product<T>::kLanes, Product<T>::kPanel, Product<T>::multiply,
                                             pool<T>,            sum_rows<T>,        catch_up_row<T>,
                                             step_row<T>};

}  // namespace

extern const TrainingKernels TEXTCNN_NAMED(training_kernels_, TEXTCNN_ISA);
const TrainingKernels TEXTCNN_NAMED(training_kernels_, TEXTCNN_ISA) = {kFunctions<float>, kFunctions<double>, train_bag};

}  // namespace textcnn
