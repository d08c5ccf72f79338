// What a model is asked for: NAME=NUMBER sets a field of its scope, without=PROTECTION takes a protection away.
#pragma once
#include <cstddef>
#include <string>

struct Field {
  const char *name;
  int *value;
};

// Whether the argument was one of these.
template <std::size_t protections, std::size_t fields>
bool set_argument(const std::string &argument, const char *const (&names)[protections],
                  bool (&taken_away)[protections], const Field (&scope)[fields]) {
  const auto equals = argument.find('=');
  if (equals == std::string::npos) return false;
  const std::string name = argument.substr(0, equals), value = argument.substr(equals + 1);
  for (std::size_t i = 0; i < protections && name == "without"; i++)
    if (value == names[i]) return taken_away[i] = true;
  for (const Field &field : scope)
    if (name == field.name) {
      *field.value = std::stoi(value);
      return true;
    }
  return false;
}
