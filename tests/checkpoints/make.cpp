// SPDX-License-Identifier: MIT
//
// Writes the checkpoints of a version to a folder: `make FOLDER`. See README.md.
#include <string>

#include <descent/checkpoint.hpp>

#include "runs.hpp"
#if __has_include(<descent/checkpoint/entries.hpp>)  // this version has Checkpoint
#include "whole_run.hpp"
#endif

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  descent::test::for_each_small_run([&]<class R, class Scalar>(const char* name, const R& rule, Scalar) {
    descent::test::SmallRun<R, Scalar> run(rule);
    for (int t = 0; t < 3; ++t) run.step();
    save(std::string(argv[1]) + "/" + name + ".safetensors", run.optimizer, run.params());
  });
#if __has_include(<descent/checkpoint/entries.hpp>)
  descent::test::WholeRun run;
  run.go();
  run.checkpoint.save(std::string(argv[1]) + "/run.safetensors");
#endif
}
