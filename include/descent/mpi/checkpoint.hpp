// SPDX-License-Identifier: MIT
//
// Checkpoints of a Sharded optimizer (mpi.hpp): the files of a single one, byte for byte, written and read by rank 0
// while all ranks take part. So any number of ranks, and a process without MPI, go on from them with the same bits.
//
//     save(path, optimizer, params), load(path, optimizer, params)      on every rank
//
// An optional header, which needs what <descent/checkpoint.hpp> needs, too.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <istream>
#include <memory>
#include <optional>
#include <streambuf>
#include <utility>
#include <vector>

#include <descent/checkpoint.hpp>
#include <descent/mpi.hpp>

namespace descent {

namespace detail {
inline namespace DESCENT_FLAGS {

struct ShardedAccess {
  static const Communicator& ranks(const auto& sharded) { return sharded.ranks_; }
  static auto& local(auto& sharded) { return sharded.local(); }
  static auto& layout(auto& sharded) { return sharded.layout_; }
  /// After the local optimizer has got others.
  static void take_hyperparameters(auto& sharded) { sharded.take_hyperparameters(); }
  static void describe(std::string_view call, const auto& sharded, Index tensors, auto& list) {
    sharded.describe(call, sharded.local(), tensors, list);
  }
  static void describe_shapes(const auto& sharded, auto& list) { sharded.describe_shapes(list); }
};

/// A Sharded optimizer as checkpoints see it: one whose arrays are in memory in part.
template <class R, class Scalar>
class ShardedRecord final : public SavedOptimizer<Scalar> {
  using Local = OptimizerRecord<R, Scalar, Eigen::Dynamic>;

 public:
  explicit ShardedRecord(Sharded<R, Scalar>& sharded) : sharded_(sharded), local_(ShardedAccess::local(sharded)) {}

  Record record(Views<const Scalar> params) const override {
    if (sharded_.steps() == 0) return local_.record(params);
    require_shapes(params, layout().shapes);
    const auto views = shares_of(layout());
    return local_.record(views_in<const Scalar>(views));
  }
  std::vector<StateArray<const Scalar>> arrays() const override {
    return whole<const Scalar>(local_.arrays(), layout());
  }

  void prepare(const Record& record, Index count, bool keeps_hyperparameters) override {
    local_.prepare(record, count, keeps_hyperparameters);
  }
  std::vector<StateArray<Scalar>> allocate(Views<const Scalar> params) override {
    loaded_.template cut<R>(params, ranks());
    const auto views = shares_of(loaded_);
    return whole<Scalar>(local_.allocate(views_in<const Scalar>(views)), loaded_);
  }
  void commit() noexcept override {
    local_.commit();
    ShardedAccess::take_hyperparameters(sharded_);
    layout() = std::move(loaded_);
  }

 private:
  const Communicator& ranks() const { return ShardedAccess::ranks(sharded_); }
  Layout<Scalar>& layout() const { return ShardedAccess::layout(sharded_); }

  std::vector<View<const Scalar>> shares_of(Layout<Scalar>& layout) const {
    const Views<Scalar> views = layout.views(ranks(), nullptr);
    return {views.begin(), views.end()};
  }

  /// The arrays of whole tensors, of which memory has this rank's shares.
  template <class S>
  std::vector<StateArray<S>> whole(std::vector<StateArray<S>> arrays, const Layout<Scalar>& layout) const {
    if (arrays.empty()) return arrays;
    const Shares::OfRank shares = layout.shares.of(ranks().rank());
    for (StateArray<S>& array : arrays) {
      const Shape shape = layout.shapes[array.tensor];
      const Share* const share =
          std::find_if(shares.begin(), shares.end(), [&](const Share& each) { return each.tensor == array.tensor; });
      const Index begin = share == shares.end() ? 0 : share->begin;
      array.window = {true, begin, begin + array.elements.shape.size()};
      array.factored = factors_state<R, Scalar>(shape);
      array.elements =
          contiguous_view(array.elements.data, array.factored ? Shape{state_size<R, Scalar>(shape), 1, false} : shape);
    }
    return arrays;
  }

  Sharded<R, Scalar>& sharded_;
  Local local_;
  Layout<Scalar> loaded_;
};

/// The file that rank 0 writes. After it was opened, what fails is kept until all ranks are done, because they complete
/// what it writes.
class RankedFile {
 public:
  RankedFile(const Communicator& ranks, const std::filesystem::path& path) : ranks_(ranks) {
    if (ranks.rank() == 0) file_.emplace(path);
  }

  void operator()(const char* data, std::size_t size) const {
    if (!file_ || failed_) return;
    try {
      file_->write(data, size);
    } catch (...) {
      failed_ = std::current_exception();
    }
  }
  /// Each byte is 0 on all ranks but one.
  void complete(char* data, std::size_t size) const {
    const void* const own = ranks_.rank() == 0 ? MPI_IN_PLACE : data;
    require_success(MPI_Reduce(own, data, static_cast<int>(size), MPI_BYTE, MPI_BOR, 0, ranks_.get()), "MPI_Reduce");
  }
  void commit() {
    if (failed_) std::rethrow_exception(failed_);
    if (file_) file_->commit();
  }

 private:
  const Communicator& ranks_;
  mutable std::optional<AtomicFile> file_;
  mutable std::exception_ptr failed_;
};

/// What rank 0 reads from a file, on all ranks.
class BroadcastBuffer final : public std::streambuf {
 public:
  /// Throws std::system_error if rank 0 cannot open the file.
  BroadcastBuffer(const Communicator& ranks, const std::filesystem::path& path) : ranks_(ranks), buffer_(1 << 20) {
    if (ranks.rank() != 0) return;
    file_.open(path, std::ios::binary | std::ios::ate);
    if (!file_) fail_on_system(errno, "open", path);
    left_ = static_cast<std::int64_t>(file_.tellg());
    file_.seekg(0);
  }

  /// Tells all ranks how long the file is.
  void start() { require_success(MPI_Bcast(&left_, 1, MPI_INT64_T, 0, ranks_.get()), "MPI_Bcast"); }
  /// Lets the other ranks read what is left, too.
  void drain() {
    while (left_ > 0) underflow();
  }

 private:
  int_type underflow() override {
    if (left_ == 0) return traits_type::eof();
    const auto size = static_cast<int>((std::min)(left_, static_cast<std::int64_t>(buffer_.size())));
    left_ -= size;
    if (ranks_.rank() == 0) file_.read(buffer_.data(), size);  // what is not read fails the checksum
    require_success(MPI_Bcast(buffer_.data(), size, MPI_CHAR, 0, ranks_.get()), "MPI_Bcast");
    setg(buffer_.data(), buffer_.data(), buffer_.data() + size);
    return traits_type::to_int_type(buffer_[0]);
  }

  const Communicator& ranks_;
  std::vector<char> buffer_;
  std::ifstream file_;
  std::int64_t left_ = 0;
};

}  // namespace DESCENT_FLAGS
}  // namespace detail

inline namespace DESCENT_FLAGS {

/// `save(path, optimizer, params)` of a single optimizer, by all ranks together: rank 0 writes the same file, with its
/// params, and gets each MiB of state from those who have it when it is needed, so that no rank takes more memory than
/// that. Only rank 0 must see the folder. What fails on one rank is thrown on all, and the old file stays; if a rank is
/// killed, too.
template <Rule R, SavedScalar Scalar, class Params>
requires Tensors<Params> && OfScalar<Params, Scalar>
void save(const std::filesystem::path& path, Sharded<R, Scalar>& optimizer, const Params& params) {
  using Access = detail::ShardedAccess;
  if constexpr (!detail::in_memory<Params>) {
    save(path, optimizer, detail::copies_of(params));
  } else {
    const detail::Communicator& ranks = Access::ranks(optimizer);
    std::optional<detail::RankedFile> file;
    ranks.together([&](const auto& agree) {
      const detail::ShardedRecord<R, Scalar> record(optimizer);
      detail::Members metadata;
      detail::SavedTensors<const char> tensors;
      detail::guard_saving([&] { detail::add_one<Scalar>(metadata, tensors, record, params); });
      file.emplace(ranks, path);
      agree([&](auto& list) {
        Access::describe("save", optimizer, detail::count_tensors(params), list);
        if (optimizer.steps() > 0) Access::describe_shapes(optimizer, list);
      });
      detail::guard_saving([&] { detail::write_safetensors(*file, tensors, metadata); });
    });
    ranks.together([&](const auto& agree) {
      file->commit();
      agree([](auto&) {});
    });
  }
}

/// `load(path, optimizer, params)` of a single optimizer, by all ranks together: rank 0 reads the file, whoever wrote
/// it, and all ranks get the parameters and their share of the state. Only rank 0 must see the file. Until all is read
/// and checked, it is held in other memory: as much as that of params and of the share. Throws what that would, on all
/// ranks; then nothing has changed on any of them.
template <Rule R, SavedScalar Scalar, class Params>
requires Tensors<Params> && OfScalar<Params, Scalar> && Writable<Params>
void load(const std::filesystem::path& path, Sharded<R, Scalar>& optimizer, Params&& params,
          const LoadOptions& options = {}) {
  using Access = detail::ShardedAccess;
  const detail::Communicator& ranks = Access::ranks(optimizer);
  std::optional<detail::BroadcastBuffer> buffer;
  std::optional<detail::LoadedOptimizer<Scalar>> loaded;
  ranks.together([&](const auto& agree) {
    loaded.emplace(std::make_unique<detail::ShardedRecord<R, Scalar>>(optimizer),
                   detail::parameters_of<Scalar>(params));
    buffer.emplace(ranks, path);
    agree([&](auto& list) {
      list({"call"}, std::string_view("load"));
      list({"rule"}, R::name);
      list({"scalar"}, detail::scalar_name<Scalar>());
    });
  });
  buffer->start();
  ranks.together([&](const auto& agree) {
    std::exception_ptr failed;
    try {
      std::istream in(&*buffer);
      detail::read_one(detail::Source{in, path.c_str(), true}, *loaded, detail::count_tensors(params), options);
    } catch (...) {
      failed = std::current_exception();
    }
    buffer->drain();
    if (failed) std::rethrow_exception(failed);
    agree([&](auto& list) {
      std::vector<detail::Shape> shapes;
      detail::for_each_tensor(params, [&](const auto& tensor) { shapes.push_back(detail::shape_of(tensor)); });
      for (std::size_t i = 0; i < shapes.size(); ++i) list({"row-major tensor ", i}, shapes[i].row_major);
    });
    loaded->commit();
  });
}

}  // namespace DESCENT_FLAGS

}  // namespace descent
