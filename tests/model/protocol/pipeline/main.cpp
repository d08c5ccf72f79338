// Gate, ledger, change stream and reconciler of one coupon: is there a state that breaks a promise?
//   pipeline search most_states=N [progress=1] [SCOPE=N ...] [without=PROTECTION ...]   exit code 1: there is
//   pipeline walk seed=N ways=N length=N [SCOPE=N ...]                                  random traces as JSON
#include "consuming.h"
#include "rebuilding.h"
#include "rest.h"
#include "telling.h"
#include "waiting.h"
#include "world.h"

namespace pipeline {

template <class T>
void sort(T *items, int count) {
  std::sort(items, items + count, [](const T &a, const T &b) { return std::memcmp(&a, &b, sizeof a) < 0; });
}

struct Model {
  using State = pipeline::State;
  using Step = pipeline::Step;

  State start() const {
    State state;
    forget(state);
    const Definition definition{1, static_cast<Byte>(scope.total), 0};
    state.ledger.epoch = 1;
    state.ledger.definition = definition;
    if (scope.asynchronous) state.standby = state.ledger;
    for (int server = 0; server < scope.servers; server++)
      state.gate[server] = {1, identity(state, 0), identity(state, 0), definition, {}};
    const int left[] = {scope.lost, scope.crashes, scope.refused, scope.redis, scope.failovers,
                        scope.changes, scope.pauses, scope.archives, scope.rebuilds, scope.gaps, scope.restores,
                        scope.joins, scope.leaves};
    static_assert(sizeof(Left) == sizeof left / sizeof *left);
    for (std::size_t i = 0; i < sizeof(Left); i++) reinterpret_cast<Byte *>(&state.left)[i] = static_cast<Byte>(left[i]);
    return state;
  }

  void steps(const State &state, Next &next) const {
    for (int i = 0; i < scope.writers; i++)
      if (i == 0 || !same(state.writer[i], state.writer[i - 1])) Writing(state, i, next).steps();
    if (scope.roll_forward) Writing(state, WRITERS, next).steps();
    late_inserts(state, next);
    for (Byte i = 0; i < scope.consumers; i++)
      if (i == 0 || !same(state.consumer[i], state.consumer[i - 1])) consumer(state, i, next);
    for (int i = 0; i < scope.rebuilders; i++)
      if (i == 0 || !same(state.rebuild[i], state.rebuild[i - 1])) Rebuilding(state, i, next).steps();
    changes(state, next);
    archives(state, next);
    definitions(state, next);
    redis_server(state, next);
    redis_pair(state, next);
    postgres(state, next);
    stream(state, next);
    lines(state, next);
    restores(state, next);
  }

  // Processes of one kind are alike. What a gate holds that is not open and was not begun in this life of its
  // server is never looked at again, but for the epoch.
  void canonical(State &state) const {
    sort(state.writer, scope.writers);
    sort(state.late, scope.late);
    sort(state.consumer, scope.consumers);
    sort(state.rebuild, scope.rebuilders);
    if (scope.servers > 1) return;
    Gate &gate = state.gate[0];
    if (!gate.opened_under || gate.opened_under == identity(state, 0)) return;
    if (gate.begun_under == identity(state, 0)) return;
    gate = {gate.epoch, 255, 254, {}, {}};
  }

  const char *broken(const State &state) const { return pipeline::broken(state); }

  const char *restless(const State &state, std::vector<std::string> *story) const {
    for (int way = 0; way < Rest::WAYS; way++)
      if (const char *wrong = Rest(state, way, nullptr).wrong()) {
        if (story) Rest(state, way, story).wrong();
        return wrong;
      }
    return nullptr;
  }

  double weight(const Step &step) const { return pipeline::weight(step); }
  std::string sentence(const Step &step) const { return pipeline::sentence(step); }
  std::string picture(const State &state) const { return pipeline::picture(state); }
  std::string json(const Step &step) const { return pipeline::json(step); }
  std::string json(const State &state) const { return pipeline::json(state); }
};

}  // namespace pipeline

int main(int count, char **arguments) { return run(pipeline::Model(), pipeline::set, count, arguments); }
