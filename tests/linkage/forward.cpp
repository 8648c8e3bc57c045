// SPDX-License-Identifier: MIT
//
// A header that only names optimizers needs only fwd.hpp. This file is correct if it compiles.
#include <descent/fwd.hpp>

#include <memory>

namespace {

class Model {
 public:
  explicit Model(descent::Optimizer<descent::rules::SGD, double>& other);
  ~Model();
  Model(Model&&) = delete;
  void step(double* x, const double* g);

 private:
  std::unique_ptr<descent::Adam<>> adam_;
  std::unique_ptr<descent::LAMB<float, 3>> lamb_;
  std::unique_ptr<descent::Optimizer<descent::Chain<descent::transforms::ClipNorm, descent::rules::SGD>>> chain_;
  descent::SGD<double>& other_;
};

}  // namespace

#include <descent/descent.hpp>

Model::Model(descent::SGD<>& other)
    : adam_(std::make_unique<descent::Adam<>>()),
      lamb_(std::make_unique<descent::LAMB<float, 3>>()),
      chain_(std::make_unique<decltype(chain_)::element_type>()),
      other_(other) {}
Model::~Model() = default;
void Model::step(double* x, const double* g) {
  Eigen::Map<Eigen::Vector3d> params(x);
  const Eigen::Map<const Eigen::Vector3d> gradient(g);
  adam_->step(params, gradient);
  chain_->step(params, gradient);
  other_.step(params, gradient);
}

void step_model(double* x, const double* g) {
  descent::SGD<> sgd;
  Model(sgd).step(x, g);
}
