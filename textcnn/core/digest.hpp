// XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md): finds damage to a file at memory speed. It is no
// proof against somebody who means to deceive.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "safetensors.hpp"

namespace textcnn {

uint64_t digest(std::string_view bytes, uint64_t seed = 0);

// The digest of the metadata, its own entry `digest` left out, and of the tensors of a file: each by its name, in order.
uint64_t digest(const SafeTensors& tensors);

// Error where a file says another digest than its content has. Files of earlier versions say none.
void check_digest(const SafeTensors& tensors, const std::string& name);

// 16 hexadecimal digits.
std::string hex_of(uint64_t number);

}  // namespace textcnn
