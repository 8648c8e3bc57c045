// SPDX-License-Identifier: MIT
//
// Named tensors in the safetensors format (https://github.com/huggingface/safetensors): the length of a header, the
// header in JSON, and the numbers, row after row, without gaps. The last tensor is "crc32", the checksum of everything
// before it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <descent/checkpoint/crc32.hpp>
#include <descent/checkpoint/values.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

static_assert(std::endian::native == std::endian::little,
              "descent/checkpoint.hpp: safetensors numbers are little-endian, but those of this machine are not");

/// A tensor's entry in the header, except for where its data lie: JSON texts, and the size of the data.
struct Entry {
  std::string dtype;
  std::string shape;
  std::size_t bytes;
};

/// A tensor's entry, and its elements wherever they lie in memory.
template <class Scalar>
struct SavedTensor {
  // Strides depend on a storage order, and for a Matrix that names none, a macro decides it.
  using ColMajor = Eigen::Matrix<std::remove_const_t<Scalar>, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;
  using RowMajor = Eigen::Matrix<std::remove_const_t<Scalar>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Strides = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;

  SavedTensor(const std::vector<Eigen::Index>& shape, Scalar* data, Eigen::Index rows, Eigen::Index cols,
              const Strides& strides)
      : elements(data, rows, cols, strides),
        entry{in_quotes(sizeof(Scalar) == 4 ? "F32" : "F64"), array_of(shape),
              static_cast<std::size_t>(elements.size()) * sizeof(Scalar)} {}

  Eigen::Map<std::conditional_t<std::is_const_v<Scalar>, const ColMajor, ColMajor>, 0, Strides> elements;
  Entry entry;
};

template <class Scalar>
using SavedTensors = std::map<std::string, SavedTensor<Scalar>>;

inline Entry entry_of_checksum() {
  constexpr std::size_t bytes = sizeof(std::uint32_t);
  return {in_quotes("U8"), array_of(std::vector{bytes}), bytes};
}

inline constexpr std::uint64_t longest_header = 100'000'000;  // in the reference implementation

inline void require_length_of_header(std::uint64_t length, std::uint64_t longest = longest_header) {
  if (length > longest)
    refuse("its header would have " + std::to_string(length) + " bytes; safetensors allows at most " +
           std::to_string(longest));
}

/// Copies in blocks that the cache can hold, because one of the two may lie in rows and the other in columns.
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

/// Calls write(data, size) for each part of the file, once its header is known not to be too long.
template <class Write, class Scalar>
void write_safetensors(Write&& write, const SavedTensors<Scalar>& tensors, const Members& metadata,
                       std::uint64_t longest = longest_header) {
  Members texts;
  for (const auto& [name, text] : metadata) texts.emplace(name, in_quotes(text));
  Members header{{"__metadata__", object_of(texts)}};
  std::size_t offset = 0;
  const auto add = [&](const std::string& name, const Entry& entry) {
    const std::vector offsets{offset, offset + entry.bytes};
    header.emplace(name,
                   object_of({{"data_offsets", array_of(offsets)}, {"dtype", entry.dtype}, {"shape", entry.shape}}));
    offset = offsets[1];
  };
  for (const auto& [name, tensor] : tensors) add(name, tensor.entry);
  add("crc32", entry_of_checksum());
  std::string text = object_of(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the numbers begin at a multiple of 8
  const std::uint64_t length = text.size();
  require_length_of_header(length, longest);

  Crc32 checksum;
  const auto put = [&](const void* data, std::size_t size) {
    checksum.update(static_cast<const char*>(data), size);
    write(static_cast<const char*>(data), size);
  };
  put(&length, sizeof length);
  put(text.data(), text.size());
  for (const auto& [name, tensor] : tensors) {
    typename SavedTensor<Scalar>::RowMajor rows(tensor.elements.rows(), tensor.elements.cols());
    transfer(rows, tensor.elements);
    put(rows.data(), tensor.entry.bytes);
  }
  const std::uint32_t sum = checksum.value();
  put(&sum, sizeof sum);
}

/// Reads a file of the format from a stream.
class SafetensorsReader {
 public:
  explicit SafetensorsReader(std::istream& in) : in_(in) {
    std::uint64_t length = 0;
    read(&length, sizeof length, "the length of its header");
    require_length_of_header(length);
    entries_ = members_in(read_text(length), "its header");
    metadata_ = members_in(taken(entries_, "__metadata__", "it"), "its metadata");
    for (auto& [name, text] : metadata_) {
      const json value = scalar_of(text);
      if (!value.is_string()) refuse(shown(in_quotes(name)) + " in its metadata is not a string");
      text = value.get_ref<const std::string&>();
    }
  }

  /// The metadata's texts by name, to be taken out.
  Members& metadata() { return metadata_; }

  /// Fills the tensors, which must be those of the file, and leaves the stream just after the file.
  template <class Scalar>
  void read_into(SavedTensors<Scalar>& tensors) {
    for (const std::string& name : in_order_of_data(tensors)) {
      if (name == "crc32") continue;  // the last
      auto& tensor = tensors.at(name);
      typename SavedTensor<Scalar>::RowMajor rows(tensor.elements.rows(), tensor.elements.cols());
      read(rows.data(), tensor.entry.bytes, in_quotes(name));
      transfer(tensor.elements, rows);
    }
    const std::uint32_t expected = checksum_.value();
    std::uint32_t found = 0;
    read(&found, sizeof found, "its checksum");
    if (found != expected) refuse("its checksum differs: something in it was changed");
  }

 private:
  using Offsets = std::pair<std::size_t, std::size_t>;

  void read(void* to, std::size_t size, const std::string& what) {
    in_.read(static_cast<char*>(to), static_cast<std::streamsize>(size));
    if (in_.bad()) refuse("it cannot be read");
    if (static_cast<std::size_t>(in_.gcount()) != size) refuse("it ends within " + what);
    checksum_.update(static_cast<const char*>(to), size);
  }

  /// Allocates memory only for what is there, whatever length a damaged file claims.
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

  /// The names in the order of their data. Checks that the header has exactly the expected tensors, and that their data
  /// leave no gap.
  template <class Scalar>
  std::vector<std::string> in_order_of_data(const SavedTensors<Scalar>& expected) {
    std::multimap<Offsets, std::string> by_offsets;
    for (const auto& [name, tensor] : expected) by_offsets.emplace(taken_offsets(name, tensor.entry), name);
    by_offsets.emplace(taken_offsets("crc32", entry_of_checksum()), "crc32");
    require_none_left(entries_, "it");

    std::vector<std::string> names;
    std::size_t so_far = 0;
    for (auto& [offsets, name] : by_offsets) {
      if (offsets.first != so_far)
        refuse("the data_offsets of " + in_quotes(name) + " begin at " + std::to_string(offsets.first) + ", expected " +
               std::to_string(so_far));
      so_far = offsets.second;
      names.push_back(std::move(name));
    }
    if (names.back() != "crc32") refuse("its checksum is not at its end");
    return names;
  }

  /// Where the data of a tensor begin and end. Checks that its entry is the expected one.
  Offsets taken_offsets(const std::string& name, const Entry& expected) {
    const std::string what = in_quotes(name);
    Members entry = members_in(taken(entries_, name, "it"), what);
    const auto take = [&](const std::string& property, const std::string& value) {
      if (const std::string found = taken(entry, property, what); found != value)
        refuse(what + " has the " + property + " " + shown(found) + ", expected " + value);
    };
    take("dtype", expected.dtype);
    take("shape", expected.shape);
    const std::string named = "the data_offsets of " + what;
    const std::vector<std::string> ends = elements_in(taken(entry, "data_offsets", what), named);
    require_none_left(entry, what);
    if (ends.size() != 2) refuse(named + " are not two");
    const Offsets offsets(value_of<std::size_t>(ends[0], named), value_of<std::size_t>(ends[1], named));
    if (offsets.second < offsets.first || offsets.second - offsets.first != expected.bytes)
      refuse(named + ", " + std::to_string(offsets.first) + " and " + std::to_string(offsets.second) + ", are not " +
             std::to_string(expected.bytes) + " bytes apart");
    return offsets;
  }

  std::istream& in_;
  Crc32 checksum_;
  Members entries_;
  Members metadata_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail
