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
#include <cstring>
#include <istream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <descent/checkpoint/crc32.hpp>
#include <descent/checkpoint/record.hpp>
#include <descent/checkpoint/values.hpp>
#include <descent/errors.hpp>
#include <descent/kernel/flags.hpp>
#include <descent/tensors.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

static_assert(std::endian::native == std::endian::little,
              "descent/checkpoint.hpp: safetensors numbers are little-endian, but those of this machine are not");

/// A tensor's entry in the header, except for where its data lie.
struct Entry {
  std::string dtype;
  std::vector<Index> shape;
  std::size_t bytes;
};

/// The elements of a matrix in memory, whatever their type: `item` bytes each. The strides count elements.
template <class Byte>
struct Elements {
  Byte* data;
  Index rows, cols, row_stride, col_stride;
  std::size_t item;

  std::size_t bytes() const { return static_cast<std::size_t>(rows * cols) * item; }
  /// Whether they lie row after row, as in a file.
  bool by_rows() const { return (cols == 1 || col_stride == 1) && (rows == 1 || row_stride == cols); }
  Elements block(Index row, Index col, Index its_rows, Index its_cols) const {
    const Index offset = row * row_stride + col * col_stride;
    return {data + offset * static_cast<Index>(item), its_rows, its_cols, row_stride, col_stride, item};
  }
};
template <class Byte>
Elements<Byte> elements_by_rows(Byte* data, Index rows, Index cols, std::size_t item) {
  return {data, rows, cols, cols, 1, item};
}
template <class Scalar>
auto elements_of(const View<Scalar>& view) {
  using Byte = std::conditional_t<std::is_const_v<Scalar>, const char, char>;
  return Elements<Byte>{reinterpret_cast<Byte*>(view.data),
                        view.shape.rows,
                        view.shape.cols,
                        view.row_stride,
                        view.col_stride,
                        sizeof(Scalar)};
}

/// A tensor's entry, and its elements wherever they lie in memory.
template <class Byte>
struct SavedTensor {
  Entry entry;
  Elements<Byte> elements;
};
template <class Byte>
using SavedTensors = std::map<std::string, SavedTensor<Byte>>;

template <class Byte>
void add_tensor(SavedTensors<Byte>& tensors, const std::string& name, std::string_view dtype, std::vector<Index> shape,
                const Elements<Byte>& elements) {
  Entry entry{std::string(dtype), std::move(shape), elements.bytes()};
  if (!tensors.emplace(name, SavedTensor<Byte>{std::move(entry), elements}).second)
    fail<std::invalid_argument>({"descent: a checkpoint cannot have two tensors \"", name, "\""});
}

/// What safetensors calls a scalar.
template <class Scalar>
constexpr std::string_view dtype_of() {
  if constexpr (std::is_same_v<Scalar, float>) return "F32";
  if constexpr (std::is_same_v<Scalar, double>) return "F64";
  if constexpr (std::is_same_v<Scalar, bool>) return "BOOL";
  constexpr std::string_view names[] = {"U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"};
  return names[2 * std::countr_zero(sizeof(Scalar)) + (std::is_signed_v<Scalar> ? 1 : 0)];
}

inline Entry entry_of_checksum() { return {"U8", {4}, 4}; }

inline constexpr std::uint64_t longest_header = 100'000'000;  // in the reference implementation

inline void require_length_of_header(std::uint64_t length, std::uint64_t longest = longest_header) {
  if (length > longest)
    refuse("its header would have " + std::to_string(length) + " bytes; safetensors allows at most " +
           std::to_string(longest));
}

template <class Item>
void transfer_items(const Elements<char>& to, const Elements<const char>& from) {
  constexpr Index most = 16;  // in blocks that the cache can hold, because one may lie in rows and the other in columns
  constexpr auto size = static_cast<Index>(sizeof(Item));
  for (Index row = 0; row < from.rows; row += most)
    for (Index col = 0; col < from.cols; col += most) {
      const Index last_row = (std::min)(row + most, from.rows), last_col = (std::min)(col + most, from.cols);
      for (Index i = row; i < last_row; ++i)
        for (Index j = col; j < last_col; ++j) {
          Item item;
          std::memcpy(&item, from.data + size * (i * from.row_stride + j * from.col_stride), sizeof item);
          std::memcpy(to.data + size * (i * to.row_stride + j * to.col_stride), &item, sizeof item);
        }
    }
}

/// Copies elements of one shape from one place to another that does not overlap it.
inline void transfer(const Elements<char>& to, const Elements<const char>& from) {
  switch (from.item) {
    case 1:
      return transfer_items<std::uint8_t>(to, from);
    case 2:
      return transfer_items<std::uint16_t>(to, from);
    case 4:
      return transfer_items<std::uint32_t>(to, from);
    default:
      return transfer_items<std::uint64_t>(to, from);
  }
}
inline Elements<const char> to_read(const Elements<char>& elements) {
  return {elements.data, elements.rows, elements.cols, elements.row_stride, elements.col_stride, elements.item};
}

/// Calls use(block, buffer) for blocks that are, one after the other, the elements row after row. The buffer holds a
/// block's elements: at most 1 MiB, whatever the size of the tensor.
template <class Byte, class Use>
void for_each_block(const Elements<Byte>& all, std::vector<char>& buffer, const Use& use) {
  const Index most = (Index{1} << 20) / static_cast<Index>(all.item);
  const Index cols = (std::min)(all.cols, most);
  const Index rows = all.cols > 0 ? (std::min)(all.rows, (std::max)(most / all.cols, Index{1})) : 0;
  if (rows == 0) return;
  buffer.resize(static_cast<std::size_t>(rows * cols) * all.item);
  for (Index row = 0; row < all.rows; row += rows)
    for (Index col = 0; col < all.cols; col += cols) {
      const auto block = all.block(row, col, (std::min)(rows, all.rows - row), (std::min)(cols, all.cols - col));
      use(block, elements_by_rows(buffer.data(), block.rows, block.cols, block.item));
    }
}

/// Calls write(data, size) for each part of the file, once its header is known not to be too long.
template <class Write>
void write_safetensors(Write&& write, const SavedTensors<const char>& tensors, const Members& metadata,
                       std::uint64_t longest = longest_header) {
  Members texts;
  for (const auto& [name, text] : metadata) texts.emplace(name, in_quotes(text));
  Members header{{"__metadata__", object_of(texts)}};
  std::size_t offset = 0;
  const auto add = [&](const std::string& name, const Entry& entry) {
    const std::string offsets = "[" + std::to_string(offset) + "," + std::to_string(offset + entry.bytes) + "]";
    header.emplace(
        name, object_of(Members{
                  {"data_offsets", offsets}, {"dtype", in_quotes(entry.dtype)}, {"shape", array_of(entry.shape)}}));
    offset += entry.bytes;
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
  std::vector<char> buffer;
  for (const auto& [name, tensor] : tensors)
    if (tensor.elements.by_rows())
      put(tensor.elements.data, tensor.entry.bytes);
    else
      for_each_block(tensor.elements, buffer, [&](const auto& block, const Elements<char>& copy) {
        transfer(copy, block);
        put(copy.data, copy.bytes());
      });
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
  void read_into(const SavedTensors<char>& tensors) {
    std::vector<char> buffer;
    for (const std::string& name : in_order_of_data(tensors)) {
      if (name == "crc32") continue;  // the last
      const Elements<char>& elements = tensors.at(name).elements;
      const std::string what = in_quotes(name);
      if (elements.by_rows())
        read(elements.data, elements.bytes(), what);
      else
        for_each_block(elements, buffer, [&](const Elements<char>& block, const Elements<char>& copy) {
          read(copy.data, copy.bytes(), what);
          transfer(block, to_read(copy));
        });
    }
    const std::uint32_t expected = checksum_.value();
    std::uint32_t found = 0;
    read(&found, sizeof found, "its checksum");
    if (found != expected) refuse("its checksum differs: something in it was changed");
  }

 private:
  using Offsets = std::pair<std::int64_t, std::int64_t>;

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
  std::vector<std::string> in_order_of_data(const SavedTensors<char>& expected) {
    std::multimap<Offsets, std::string> by_offsets;
    for (const auto& [name, tensor] : expected) by_offsets.emplace(taken_offsets(name, tensor.entry), name);
    by_offsets.emplace(taken_offsets("crc32", entry_of_checksum()), "crc32");
    require_none_left(entries_, "it");

    std::vector<std::string> names;
    std::int64_t so_far = 0;
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
    take("dtype", in_quotes(expected.dtype));
    take("shape", array_of(expected.shape));
    const std::string named = "the data_offsets of " + what;
    const std::vector<std::string> ends = elements_in(taken(entry, "data_offsets", what), named);
    require_none_left(entry, what);
    if (ends.size() != 2) refuse(named + " are not two");
    const Offsets offsets(value_as<std::int64_t>(ends[0], named), value_as<std::int64_t>(ends[1], named));
    if (offsets.first < 0 || offsets.second < offsets.first ||
        static_cast<std::size_t>(offsets.second - offsets.first) != expected.bytes)
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
