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
#include <optional>
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
  Byte* data;  ///< the first one in memory
  Index rows, cols, row_stride, col_stride;
  std::size_t item;
  Window window = {};

  std::size_t bytes() const { return static_cast<std::size_t>(rows * cols) * item; }
  /// Whether they lie row after row, as in a file.
  bool by_rows() const {
    return !window.is_part && (cols == 1 || col_stride == 1) && (rows == 1 || row_stride == cols);
  }
  Elements block(Index row, Index col, Index its_rows, Index its_cols) const {
    const Index offset = row * row_stride + col * col_stride;
    if (window.is_part)
      return {
          data, its_rows, its_cols, row_stride, col_stride, item, {true, window.begin - offset, window.end - offset}};
    return {data + offset * static_cast<Index>(item), its_rows, its_cols, row_stride, col_stride, item};
  }
  /// Null if the element is not in memory.
  Byte* at(Index row, Index col) const {
    const Index offset = row * row_stride + col * col_stride;
    if (window.is_part && (offset < window.begin || offset >= window.end)) return nullptr;
    return data + (offset - window.begin) * static_cast<Index>(item);
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
  for (Index row = 0; row < from.rows; row += most)
    for (Index col = 0; col < from.cols; col += most) {
      const Index last_row = (std::min)(row + most, from.rows), last_col = (std::min)(col + most, from.cols);
      for (Index i = row; i < last_row; ++i)
        for (Index j = col; j < last_col; ++j) {
          const char* const source = from.at(i, j);
          char* const target = to.at(i, j);
          if (source == nullptr || target == nullptr) continue;
          Item item;
          std::memcpy(&item, source, sizeof item);
          std::memcpy(target, &item, sizeof item);
        }
    }
}

/// Copies elements of one shape, those that are in memory, from one place to another that does not overlap it.
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
  return {elements.data,       elements.rows, elements.cols,  elements.row_stride,
          elements.col_stride, elements.item, elements.window};
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

/// Calls write(data, size) for each part of the file, once its header is known not to be too long. Elements that are
/// not in memory are 0 until write.complete(data, size) has completed a block of them.
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
        if (block.window.is_part) std::fill_n(copy.data, copy.bytes(), '\0');
        transfer(copy, block);
        if constexpr (requires { write.complete(copy.data, copy.bytes()); })
          if (block.window.is_part) write.complete(copy.data, copy.bytes());
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

  /// The texts of the tensors' entries.
  const Members& entries() const { return entries_; }

  /// The shape of a tensor that may have any, with elements of `item` bytes. Checks that the stream is long enough for
  /// all that were asked for, so that it is safe to allocate them.
  std::vector<Index> shape_of(const std::string& name, std::size_t item) {
    const auto entry = entries_.find(name);
    if (entry == entries_.end()) refuse("it has no " + in_quotes(name));
    const std::string what = in_quotes(name);
    Members members = members_in(entry->second, what);
    std::vector<Index> shape;
    if (!unclaimed_) unclaimed_ = bytes_left();
    std::uint64_t size_so_far = 1;
    for (const std::string& text : elements_in(taken(members, "shape", what), "the shape of " + what)) {
      const auto size = value_as<std::int64_t>(text, "a size of " + what);
      const std::uint64_t most = *unclaimed_ / item / (std::max)(size_so_far, std::uint64_t{1});
      if (size < 0 || static_cast<std::uint64_t>(size) > most) refuse("it ends within " + what);
      size_so_far *= static_cast<std::uint64_t>(size);
      shape.push_back(static_cast<Index>(size));
    }
    *unclaimed_ -= size_so_far * item;
    return shape;
  }

  /// Fills the tensors, and leaves the stream just after the file. The file must have no others than them and those
  /// whose names it is to pass over.
  void read_into(const SavedTensors<char>& tensors, const auto& passes_over) {
    std::vector<char> buffer;
    for (const auto& [name, bytes] : in_order_of_data(tensors, passes_over)) {
      if (name == "crc32") continue;  // the last
      if (!tensors.contains(name)) {
        pass_over(bytes, buffer, shown(in_quotes(name)));
        continue;
      }
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

  void pass_over(std::int64_t bytes, std::vector<char>& buffer, const std::string& what) {
    buffer.resize(1 << 20);
    for (std::size_t size = 0; bytes > 0; bytes -= static_cast<std::int64_t>(size)) {
      size = (std::min)(buffer.size(), static_cast<std::size_t>(bytes));
      read(buffer.data(), size, what);
    }
  }

  /// What follows in the stream.
  std::uint64_t bytes_left() {
    const auto here = in_.tellg();
    if (here == std::istream::pos_type(-1) || !in_.seekg(0, std::ios::end)) refuse("its stream cannot tell its length");
    const auto end = in_.tellg();
    in_.seekg(here);
    return static_cast<std::uint64_t>(end - here);
  }

  /// The names and sizes of the tensors, in the order of their data. Checks that the header has exactly the expected
  /// tensors, beside those that are passed over, and that their data leave no gap.
  std::vector<std::pair<std::string, std::int64_t>> in_order_of_data(const SavedTensors<char>& expected,
                                                                     const auto& passes_over) {
    std::multimap<Offsets, std::string> by_offsets;
    for (const auto& [name, tensor] : expected) by_offsets.emplace(taken_offsets(name, &tensor.entry), name);
    const Entry checksum = entry_of_checksum();
    by_offsets.emplace(taken_offsets("crc32", &checksum), "crc32");
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      const std::string name = (entry++)->first;
      if (passes_over(name)) by_offsets.emplace(taken_offsets(name, nullptr), name);
    }
    require_none_left(entries_, "it");

    std::vector<std::pair<std::string, std::int64_t>> names;
    std::int64_t so_far = 0;
    for (auto& [offsets, name] : by_offsets) {
      if (offsets.first != so_far)
        refuse("the data_offsets of " + shown(in_quotes(name)) + " begin at " + std::to_string(offsets.first) +
               ", expected " + std::to_string(so_far));
      so_far = offsets.second;
      names.emplace_back(std::move(name), offsets.second - offsets.first);
    }
    if (names.back().first != "crc32") refuse("its checksum is not at its end");
    return names;
  }

  /// Where the data of a tensor begin and end. Checks that its entry is the expected one, unless any will do.
  Offsets taken_offsets(const std::string& name, const Entry* expected) {
    const std::string what = shown(in_quotes(name));
    Members entry = members_in(taken(entries_, name, "it"), what);
    const auto take = [&](const std::string& property, const std::string& value) {
      if (const std::string found = taken(entry, property, what); expected != nullptr && found != value)
        refuse(what + " has the " + property + " " + shown(found) + ", expected " + value);
    };
    take("dtype", expected == nullptr ? "" : in_quotes(expected->dtype));
    take("shape", expected == nullptr ? "" : array_of(expected->shape));
    const std::string named = "the data_offsets of " + what;
    const std::vector<std::string> ends = elements_in(taken(entry, "data_offsets", what), named);
    require_none_left(entry, what);
    if (ends.size() != 2) refuse(named + " are not two");
    const Offsets offsets(value_as<std::int64_t>(ends[0], named), value_as<std::int64_t>(ends[1], named));
    const auto& [begin, end] = offsets;
    const bool in_order = 0 <= begin && begin <= end;
    const std::string both = named + ", " + std::to_string(begin) + " and " + std::to_string(end);
    if (expected == nullptr && !in_order) refuse(both + ", are in the wrong order");
    if (expected != nullptr && (!in_order || static_cast<std::size_t>(end - begin) != expected->bytes))
      refuse(both + ", are not " + std::to_string(expected->bytes) + " bytes apart");
    return offsets;
  }

  std::istream& in_;
  std::optional<std::uint64_t> unclaimed_;  ///< bytes of the stream for which shape_of was not asked yet
  Crc32 checksum_;
  Members entries_;
  Members metadata_;
};

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail
