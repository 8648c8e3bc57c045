// SPDX-License-Identifier: MIT
//
// All errors go through fail<Error>(parts...), which composes the text and throws. In a program compiled with
// -fno-exceptions, it passes the text to `error_handler` instead.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <string_view>

#include <descent/kernel/flags.hpp>

#if !defined(__cpp_exceptions)
namespace descent {

/// Prints the text and aborts.
[[noreturn]] DESCENT_TAGGED inline void print_and_abort(const char* text) {
  std::fprintf(stderr, "%s\n", text);
  std::abort();
}

/// Called with the text of an error if exceptions are disabled. A program may set a function of its own. It must not
/// return: std::abort follows.
inline void (*error_handler)(const char* text) = print_and_abort;

}  // namespace descent
#endif

namespace descent::detail {
inline namespace DESCENT_FLAGS {

/// A number to be printed with this many significant digits.
struct Rounded {
  long double number;
  int digits;
};

/// A part of an error's text: characters or a number.
class Part {
 public:
  template <std::convertible_to<std::string_view> Characters>
  Part(const Characters& characters) : characters_(characters), kind_(Kind::characters) {}
  Part(bool value) : Part(value ? "true" : "false") {}
  Part(std::signed_integral auto value) : integer_(value), kind_(Kind::integer) {}
  Part(std::unsigned_integral auto value) : natural_(value), kind_(Kind::natural) {}
  Part(float value) : number_(value), kind_(Kind::single) {}
  Part(double value) : number_(value), kind_(Kind::of_double) {}
  Part(long double value) : number_(value), kind_(Kind::extended) {}
  Part(Rounded value) : number_(value.number), digits_(value.digits), kind_(Kind::rounded) {}

 private:
  friend class Text;
  enum class Kind : unsigned char { characters, integer, natural, single, of_double, extended, rounded };

  union {
    std::string_view characters_;
    long long integer_;
    unsigned long long natural_;
    long double number_;
  };
  int digits_ = 0;
  Kind kind_;
};

/// The text of an error, at most 1,000 characters long. Numbers are written as in the C locale, with enough digits to
/// distinguish them from their neighbours. (std::string, streams and std::to_chars would add 60 to 600 KB to a small
/// program. One function makes all texts, because inlined they would be longer than a step.)
class Text {
 public:
  Text() { characters_[0] = 0; }
  Text(std::initializer_list<Part> parts) : Text() { add(parts); }

  void add(std::initializer_list<Part> parts) {
    for (const Part& part : parts) add_one(part);
  }

  const char* c_str() const { return characters_; }
  operator std::string_view() const { return {characters_, size_}; }

 private:
  [[gnu::cold]] void add_one(const Part& part);
  void add_characters(const char* characters, std::size_t size) {
    size = (std::min)(size, sizeof characters_ - 1 - size_);
    std::memcpy(characters_ + size_, characters, size);
    characters_[size_ += size] = 0;
  }
  template <class Integer>
  void add_formatted(const char* format, Integer value) {
    char digits[24];
    add_characters(digits, static_cast<std::size_t>(std::snprintf(digits, sizeof digits, format, value)));
  }
  template <class Scalar>
  void add_number(long double value) {
    using Limits = std::numeric_limits<Scalar>;
    const Scalar size = std::abs(static_cast<Scalar>(value));
    const bool few_tell = tells(value, Limits::digits10, size - std::nextafter(size, Scalar(0)));
    add_rounded(value, few_tell ? Limits::digits10 : Limits::max_digits10);
  }
  void add_rounded(long double value, int digits);

  /// Eighteen digits of a number, and the exponent of its first one.
  struct Digits {
    Digits(long double value, int skipped);
    unsigned long long number = 0;
    int exponent = 0;
  };
  static bool tells(long double value, int digits, long double gap);

  std::size_t size_ = 0;
  char characters_[1001];
};

inline void Text::add_one(const Part& part) {
  switch (part.kind_) {
    case Part::Kind::characters:
      return add_characters(part.characters_.data(), part.characters_.size());
    case Part::Kind::integer:
      return add_formatted("%lld", part.integer_);
    case Part::Kind::natural:
      return add_formatted("%llu", part.natural_);
    case Part::Kind::single:
      return add_number<float>(part.number_);
    case Part::Kind::of_double:
      return add_number<double>(part.number_);
    case Part::Kind::extended:
      return add_number<long double>(part.number_);
    case Part::Kind::rounded:
      return add_rounded(part.number_, part.digits_);
  }
}

[[gnu::cold]] inline void Text::add_rounded(long double value, int digits) {
  char characters[64];
  std::snprintf(characters, sizeof characters, "%.*Lg", digits, value);
  for (char* c = characters; *c != 0; ++c)  // another locale's decimal point
    if (std::strchr("0123456789+-einfa", *c) == nullptr) *c = '.';
  add_characters(characters, std::strlen(characters));
}

[[gnu::cold]] inline Text::Digits::Digits(long double value, int skipped) {
  char characters[96];
  std::snprintf(characters, sizeof characters, "%.*Le", skipped + 17, value);
  const char* c = characters;
  for (; *c != 'e'; ++c)
    if (*c >= '0' && *c <= '9' && --skipped < 0) number = 10 * number + static_cast<unsigned>(*c - '0');
  exponent = std::atoi(c + 1);
}

/// Whether the value rounded to so many digits is nearer to it than to its neighbour, which is `gap` away: whether the
/// digits that are left out are less than half of that. (To read the digits back takes strtold, which is 40 KB of a
/// small program.)
[[gnu::cold]] inline bool Text::tells(long double value, int digits, long double gap) {
  if (!std::isfinite(value)) return true;
  const Digits behind(value, digits);
  constexpr unsigned long long one_more = 1'000'000'000'000'000'000;  // in the last of the digits that stay
  const unsigned long long left_out = (std::min)(behind.number, one_more - behind.number);
  Digits between(gap, 0);
  int shift = between.exponent - (behind.exponent - digits);
  for (; shift < 0; ++shift) between.number /= 10;
  return left_out == 0 || shift > 0 || 2 * left_out < between.number;
}

/// Throws an Error with this text, or calls the handler if exceptions are disabled.
template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void fail(const char* text) {
#if defined(__cpp_exceptions)
  throw Error(text);
#else
  error_handler(text);
  std::abort();
#endif
}
template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void fail(std::initializer_list<Part> parts) {
  fail<Error>(Text(parts).c_str());
}

}  // namespace DESCENT_FLAGS
}  // namespace descent::detail
