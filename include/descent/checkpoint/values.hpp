// SPDX-License-Identifier: MIT
//
// JSON as checkpoints use it: hyperparameters and counters, which are read back to the same bits or refused, and
// objects, which are taken apart one level at a time.
//
// A value is kept as its text, without spaces, to be compared and shown as it is. No json ever holds an array or an
// object: their destructor needs memory, and ends the program if there is none.
#pragma once

#if !defined(__cpp_exceptions)
#error "descent/checkpoint.hpp needs exceptions: it takes back what it has begun when a file turns out to be wrong"
#endif
#if !__has_include(<nlohmann/json.hpp>)
#error "descent/checkpoint.hpp needs nlohmann-json: https://json.nlohmann.me, nlohmann-json3-dev in Debian and Ubuntu"
#endif

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include <descent/by_name.hpp>
#include <descent/checkpoint/record.hpp>
#include <descent/errors.hpp>
#include <descent/kernel/flags.hpp>

namespace descent::detail {
inline namespace DESCENT_FLAGS {

using nlohmann::json;

// ---- Writing -----------------------------------------------------------------------------------------

/// The text of a value that is neither an array nor an object.
inline std::string text_of(const json& value) {
  try {
    return value.dump();
  } catch (const json::type_error&) {
    fail<std::invalid_argument>({"descent: a checkpoint cannot hold what is not UTF-8: ",
                                 value.dump(-1, ' ', true, json::error_handler_t::replace)});
  }
}
inline std::string in_quotes(std::string_view text) { return text_of(json(text)); }

/// The members of an object: the text of each value, by name.
using Members = std::map<std::string, std::string>;

inline std::string object_of(const Members& members) {
  std::string text;
  for (const auto& [name, value] : members) text += (text.empty() ? "{" : ",") + in_quotes(name) + ":" + value;
  return text.empty() ? "{}" : text + "}";
}

/// Numbers stay as they are, because JSON's decimals are read back to the same bits. It has none for infinities and
/// NaN.
inline json json_of(const Value& value) {
  if (const auto* const number = std::get_if<double>(&value)) {
    if (std::isnan(*number)) return "nan";
    if (std::isinf(*number)) return *number > 0 ? "inf" : "-inf";
  }
  return std::visit([](const auto& given) { return json(given); }, value);
}

inline std::string object_of(const Values& values) {
  Members members;
  for (const auto& [name, value] : values) members.emplace(name, text_of(json_of(value)));
  return object_of(members);
}

inline std::string array_of(const auto& numbers) {
  std::string text;
  for (const auto& number : numbers) text += (text.empty() ? "[" : ",") + text_of(json_of(number));
  return text.empty() ? "[]" : text + "]";
}

// ---- Reading -----------------------------------------------------------------------------------------

/// What a text should hold; it comes from a file, and may hold anything.
enum class Kind { value, array, object };

/// Receives the parser's events. Keeps the contents of the outermost array or object as texts, or else a single value.
class Parts {
 public:
  Parts(Kind kind, const std::string& what) : kind_(kind), what_(what) {}

  std::vector<std::pair<std::string, std::string>> parts;  ///< name (in an object) and text

  json single;  ///< the value, if it is neither an array nor an object

  bool null() { return add_single(nullptr); }
  bool boolean(bool value) { return add_single(value); }
  bool number_integer(std::int64_t value) { return add_single(value); }
  bool number_unsigned(std::uint64_t value) { return add_single(value); }
  bool number_float(double value, const std::string&) { return add_single(value); }
  bool string(const std::string& value) { return add_single(value); }
  bool binary(const json::binary_t&) { return false; }  // which JSON does not have
  bool start_array(std::size_t) { return open("[", Kind::array); }
  bool end_array() { return close("]"); }
  bool start_object(std::size_t) { return open("{", Kind::object); }
  bool end_object() { return close("}"); }
  bool key(std::string& name) {
    if (depth_ > 1) return add(in_quotes(name) + ":");
    parts.emplace_back(std::move(name), "");
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception& error) {
    refuse(what_ + " is not JSON: " + shown(error.what()));
  }

 private:
  bool add_single(json value) {
    add(text_of(value));
    if (depth_ == 0) single = std::move(value);
    return true;
  }
  bool add(std::string_view text) {
    if (depth_ == 0 && kind_ != Kind::value) refuse_kind();
    if (depth_ == 0 || (depth_ == 1 && kind_ == Kind::array)) parts.emplace_back();
    std::string& part = parts.back().second;
    if (!part.empty() && std::string_view("[{:").find(part.back()) == std::string_view::npos) part += ',';
    part += text;
    return true;
  }
  bool open(std::string_view bracket, Kind kind) {
    if (depth_ > 0)
      add(bracket);
    else if (kind != kind_)
      refuse_kind();
    constexpr int deepest = 3;  // the shape of a tensor in the header
    if (++depth_ > deepest) refuse(what_ + " has brackets nested more than " + std::to_string(deepest) + " deep");
    return true;
  }
  bool close(std::string_view bracket) {
    if (--depth_ > 0) parts.back().second += bracket;
    return true;
  }
  [[noreturn]] void refuse_kind() const {
    refuse(what_ + " is not " +
           (kind_ == Kind::value   ? "a single value"
            : kind_ == Kind::array ? "an array"
                                   : "an object"));
  }

  const Kind kind_;
  const std::string& what_;
  int depth_ = 0;  ///< number of open brackets
};

/// The parts of a text that must be of that kind; if it is not, the error calls it `what`.
inline Parts parts_in(std::string_view text, Kind kind, const std::string& what) {
  Parts parts(kind, what);
  json::sax_parse(text.begin(), text.end(), &parts);
  return parts;
}

inline std::string value_in(std::string_view text, const std::string& what) {
  return std::move(parts_in(text, Kind::value, what).parts.front().second);
}

inline std::vector<std::string> elements_in(std::string_view text, const std::string& what) {
  std::vector<std::string> elements;
  for (auto& [name, element] : parts_in(text, Kind::array, what).parts) elements.push_back(std::move(element));
  return elements;
}

/// Every name may occur only once: a second one would hide the first.
inline Members members_in(std::string_view text, const std::string& what) {
  Members members;
  for (auto& [name, value] : parts_in(text, Kind::object, what).parts)
    if (!members.try_emplace(name, std::move(value)).second) refuse(what + " has " + shown(in_quotes(name)) + " twice");
  return members;
}

/// Takes a member out of those still to be read.
inline std::string taken(Members& members, const std::string& name, const std::string& what) {
  auto member = members.extract(name);
  if (member.empty()) refuse(what + " has no " + in_quotes(name));
  return std::move(member.mapped());
}

inline void require_none_left(const Members& members, const std::string& what) {
  if (!members.empty())
    refuse(what + " has " + shown(in_quotes(members.begin()->first)) + ", which is not expected here");
}

/// The string, number, true, false or null in a text made by the functions above; null for anything else.
inline json scalar_of(std::string_view text) {
  return text.starts_with('[') || text.starts_with('{') ? json() : parts_in(text, Kind::value, "").single;
}

/// The value in such a text; if it has none, the error calls it `what`.
inline Value value_of(const std::string& text, const std::string& what) {
  const json given = scalar_of(text);
  if (given.is_boolean()) return given.get<bool>();
  if (given.is_number_float()) return given.get<double>();
  if (given.is_number_unsigned() && given.get<std::uint64_t>() > INT64_MAX) return given.get<std::uint64_t>();
  if (given.is_number_integer()) return given.get<std::int64_t>();
  if (given.is_string()) return given.get<std::string>();
  refuse(what + " cannot be " + shown(text));
}

/// The same, for a value of that type alone.
template <class T>
T value_as(const std::string& text, const std::string& what) {
  const Value value = value_of(text, what);
  if (const T* const found = std::get_if<T>(&value)) return *found;
  refuse(what + " cannot be " + shown(text));
}

/// The numbers in an array; if one of the elements is none, the error calls it `each`.
inline std::vector<double> numbers_in(const std::string& text, const std::string& what, const std::string& each) {
  std::vector<double> numbers;
  for (const std::string& element : elements_in(text, what)) {
    const std::optional<double> number = number_in(value_of(element, each));
    if (!number) refuse(each + " cannot be " + shown(element));
    numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail
