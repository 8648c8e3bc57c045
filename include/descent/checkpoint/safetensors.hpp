// SPDX-License-Identifier: MIT
//
// Named tensors as a file of the format safetensors (https://github.com/huggingface/safetensors): the
// length of a header, the header in JSON, and the numbers, row after row, without gaps. The last tensor
// is "crc32", the checksum of everything before it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/checkpoint/crc32.hpp>
#include <descent/checkpoint/values.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

static_assert(std::endian::native == std::endian::little,
              "descent/checkpoint.hpp: the numbers of safetensors are little-endian, those of this machine are not");

/// A tensor's shape in the file, and its elements wherever they lie in memory.
template <class Scalar>
struct SavedTensor {
  using Matrix = Eigen::Matrix<std::remove_const_t<Scalar>, Eigen::Dynamic, Eigen::Dynamic>;
  using RowMajor = Eigen::Matrix<std::remove_const_t<Scalar>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Strides = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;

  SavedTensor(std::vector<Eigen::Index> shape_, Scalar* data, Eigen::Index rows, Eigen::Index cols,
              const Strides& strides)
      : shape(std::move(shape_)), elements(data, rows, cols, strides) {}

  std::vector<Eigen::Index> shape;
  Eigen::Map<std::conditional_t<std::is_const_v<Scalar>, const Matrix, Matrix>, 0, Strides> elements;

  std::size_t bytes() const { return static_cast<std::size_t>(elements.size()) * sizeof(Scalar); }
};

/// to = from, in blocks that the cache holds, as one of the two may lie in rows and the other in columns.
template <class To, class From>
void transfer(To& to, const From& from) {
  constexpr Eigen::Index most = 16;
  for (Eigen::Index i = 0; i < from.rows(); i += most)
    for (Eigen::Index j = 0; j < from.cols(); j += most) {
      const Eigen::Index rows = (std::min)(most, from.rows() - i);
      const Eigen::Index cols = (std::min)(most, from.cols() - j);
      to.block(i, j, rows, cols) = from.block(i, j, rows, cols);
    }
}

template <class Scalar>
using SavedTensors = std::map<std::string, SavedTensor<Scalar>>;

/// The header's entries for those tensors, their data in the order of their names.
template <class Scalar>
json entries_of(const SavedTensors<Scalar>& tensors) {
  json entries = json::object();
  std::size_t offset = 0;
  const auto add = [&](const std::string& name, std::string_view dtype, const json& shape, std::size_t bytes) {
    entries[name] = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  };
  for (const auto& [name, tensor] : tensors)
    add(name, sizeof(Scalar) == 4 ? "F32" : "F64", tensor.shape, tensor.bytes());
  add("crc32", "U8", json::array({sizeof(std::uint32_t)}), sizeof(std::uint32_t));
  return entries;
}

/// write(data, size) for each part of the file.
template <class Write, class Scalar>
void write_safetensors(Write&& write, const SavedTensors<Scalar>& tensors, const json& metadata) {
  Crc32 checksum;
  const auto put = [&](const void* data, std::size_t size) {
    checksum.update(static_cast<const char*>(data), size);
    write(static_cast<const char*>(data), size);
  };

  json header = entries_of(tensors);
  header["__metadata__"] = metadata;
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the numbers begin at a multiple of 8
  const std::uint64_t length = text.size();
  put(&length, sizeof length);
  put(text.data(), text.size());
  for (const auto& [name, tensor] : tensors) {
    typename SavedTensor<Scalar>::RowMajor rows(tensor.elements.rows(), tensor.elements.cols());
    transfer(rows, tensor.elements);
    put(rows.data(), tensor.bytes());
  }
  const std::uint32_t sum = checksum.value();
  put(&sum, sizeof sum);
}

/// A file of the format, from a stream.
class SafetensorsReader {
 public:
  explicit SafetensorsReader(std::istream& in) : in_(in) {
    constexpr std::uint64_t longest = 100'000'000;  // in the reference implementation
    std::uint64_t length = 0;
    read(&length, sizeof length, "the length of its header");
    if (length > longest)
      throw Refused("its header would be of " + std::to_string(length) + " bytes; safetensors allows at most " +
                    std::to_string(longest));
    header_ = parsed(read_text(length), "its header");
  }

  const json& header() const { return header_; }

  /// Fills the tensors, which must be those of the file, and leaves the stream behind it.
  template <class Scalar>
  void read_into(SavedTensors<Scalar>& tensors) {
    for (const std::string& name : in_order_of_data(entries_of(tensors))) {
      if (name == "crc32") continue;  // the last
      auto& tensor = tensors.at(name);
      typename SavedTensor<Scalar>::RowMajor rows(tensor.elements.rows(), tensor.elements.cols());
      read(rows.data(), tensor.bytes(), "\"" + name + "\"");
      transfer(tensor.elements, rows);
    }
    const std::uint32_t expected = checksum_.value();
    std::uint32_t found = 0;
    read(&found, sizeof found, "its checksum");
    if (found != expected) throw Refused("its checksum differs: something in it was changed");
  }

 private:
  void read(void* to, std::size_t size, const std::string& what) {
    in_.read(static_cast<char*>(to), static_cast<std::streamsize>(size));
    if (in_.bad()) throw Refused("it cannot be read");
    if (static_cast<std::size_t>(in_.gcount()) != size) throw Refused("it ends within " + what);
    checksum_.update(static_cast<const char*>(to), size);
  }

  /// Takes memory only for what is there, whatever length a damaged file claims.
  std::string read_text(std::uint64_t length) {
    constexpr std::uint64_t part = 1 << 16;
    std::string text;
    while (text.size() < length) {
      const std::size_t so_far = text.size();
      text.resize(so_far + (std::min)(part, length - so_far));
      read(text.data() + so_far, text.size() - so_far, "its header");
    }
    return text;
  }

  /// The names, once the header has the tensors expected and no other, and their data leave no gap.
  std::vector<std::string> in_order_of_data(const json& expected) const {
    std::set<std::tuple<std::size_t, std::size_t, std::string>> by_offset;
    for (const auto& wanted : expected.items()) {
      const json& found = member(header_, wanted.key(), "it");
      const std::string what = "\"" + wanted.key() + "\"";
      for (const auto* property : {"dtype", "shape"})
        if (const json& value = member(found, property, what); value != wanted.value()[property])
          throw Refused(what + " has the " + property + " " + value.dump() + ", expected " +
                        wanted.value()[property].dump());
      const json& offsets = member(found, "data_offsets", what);
      if (!offsets.is_array() || offsets.size() != 2) throw Refused(what + " has the data_offsets " + offsets.dump());
      by_offset.emplace(value_of<std::size_t>(offsets[0], "data_offsets"),
                        value_of<std::size_t>(offsets[1], "data_offsets"), wanted.key());
      require_known(found, wanted.value(), what);
    }
    json known = expected;
    known["__metadata__"] = {};
    require_known(header_, known, "it");

    std::vector<std::string> names;
    std::size_t so_far = 0;
    for (const auto& [begin, end, name] : by_offset) {
      const json& wanted = expected[name]["data_offsets"];
      const std::size_t bytes = wanted[1].get<std::size_t>() - wanted[0].get<std::size_t>();
      if (begin != so_far || end != so_far + bytes)
        throw Refused("\"" + name + "\" has the data_offsets " + header_[name]["data_offsets"].dump() + ", expected " +
                      json({so_far, so_far + bytes}).dump());
      so_far = end;
      names.push_back(name);
    }
    if (names.back() != "crc32") throw Refused("its checksum is not at its end");
    return names;
  }

  std::istream& in_;
  Crc32 checksum_;
  json header_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail
