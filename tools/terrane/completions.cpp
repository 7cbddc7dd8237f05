// SPDX-License-Identifier: MIT
// Shell completion from the registry: verbs, options, templates, --set paths and their values.
#include <iostream>

#include "engine/examples.hpp"
#include "engine/io/text.hpp"
#include "engine/registry.hpp"
#include "engine/schema.hpp"
#include "tools/terrane/verbs.hpp"

namespace terrane::cli {
namespace {

constexpr const char* kOptions =
    "--out --overwrite --resume --device --set --threads --seed -q -qq -v -vv --dry-run --json --verify --docs --data "
    "--workload --quick --repeats --against --model -o --family --count --size --area --point --seismic "
    "--contact-sheet "
    "--help --version --licenses";
constexpr const char* kDevices = "auto cpu shadow cuda cuda:0";

// "grid.nz= misfit.normalize=none misfit.normalize=survey ...".
std::string set_words() {
  std::string words;
  for (const CompletionWord& word : completion_words()) {
    words += " " + word.path + "=";
    for (const std::string& value : split_words(word.values)) words += " " + word.path + "=" + value;
  }
  return words.substr(1);
}

std::string sections() {
  std::string words;
  for (const Key& key : find_component("config", "")->keys) {
    if (!key.slot.empty()) words += (words.empty() ? "/" : " /") + std::string(key.name);
  }
  return words;
}

std::string bash_script() {
  return "# bash completion of terrane: eval \"$(terrane completions bash)\"\n"
         "_terrane() {\n"
         "  local word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\" "
         "line=\"${COMP_LINE:0:COMP_POINT}\" set\n"
         "  COMPREPLY=()\n"
         "  # Bash splits a.b=c at '=': complete the whole word and give back what follows the '='.\n"
         "  set=\"${line##* }\"\n"
         "  if [[ \"${line% *}\" == *--set ]]; then\n"
         "    local head=\"\"; [[ \"$set\" == *=* ]] && head=\"${set%%=*}=\"\n"
         "    COMPREPLY=($(compgen -W '" +
         set_words() +
         "' -- \"$set\"))\n"
         "    COMPREPLY=(\"${COMPREPLY[@]#$head}\"); compopt -o nospace 2>/dev/null; return\n"
         "  fi\n"
         "  case \"$before\" in\n"
         "    terrane) COMPREPLY=($(compgen -W '" +
         join_words(verb_names(), " ") +
         " --help --version --licenses' -- \"$word\")); return;;\n"
         "    --device) COMPREPLY=($(compgen -W '" +
         std::string(kDevices) +
         "' -- \"$word\")); return;;\n"
         "    init) COMPREPLY=($(compgen -W '" +
         join_words(template_names(), " ") +
         "' -- \"$word\")); return;;\n"
         "    demo) COMPREPLY=($(compgen -W '" +
         join_words(demo_names(), " ") +
         "' -- \"$word\")); return;;\n"
         "    schema) COMPREPLY=($(compgen -W '" +
         sections() +
         " --docs' -- \"$word\")); return;;\n"
         "    completions) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\")); return;;\n"
         "  esac\n"
         "  if [[ \"$word\" == -* ]]; then COMPREPLY=($(compgen -W '" +
         std::string(kOptions) +
         "' -- \"$word\"));\n"
         "  else COMPREPLY=($(compgen -f -- \"$word\")); fi\n"
         "}\n"
         "complete -o filenames -F _terrane terrane\n";
}

std::string zsh_script() {
  return "#compdef terrane\n"
         "# zsh completion of terrane: eval \"$(terrane completions zsh)\"\n"
         "_terrane() {\n"
         "  if (( CURRENT == 2 )); then compadd -- " +
         join_words(verb_names(), " ") +
         " --help --version --licenses; return; fi\n"
         "  case \"${words[CURRENT-1]}\" in\n"
         "    --set) compadd -S '' -- " +
         set_words() +
         "; return;;\n"
         "    --device) compadd -- " +
         std::string(kDevices) +
         "; return;;\n"
         "    init) compadd -- " +
         join_words(template_names(), " ") +
         "; return;;\n"
         "    demo) compadd -- " +
         join_words(demo_names(), " ") +
         "; return;;\n"
         "    schema) compadd -- " +
         sections() +
         " --docs; return;;\n"
         "    completions) compadd -- bash zsh fish; return;;\n"
         "  esac\n"
         "  if [[ \"${words[CURRENT]}\" == -* ]]; then compadd -- " +
         std::string(kOptions) +
         "; else _files; fi\n"
         "}\n"
         "compdef _terrane terrane\n";
}

std::string fish_script() {
  std::string text =
      "# fish completion of terrane: terrane completions fish | source\n"
      "complete -c terrane -n __fish_use_subcommand -f -a '" +
      join_words(verb_names(), " ") +
      "'\n"
      "complete -c terrane -l set -x -a '" +
      set_words() +
      "'\n"
      "complete -c terrane -l device -x -a '" +
      std::string(kDevices) +
      "'\n"
      "complete -c terrane -n '__fish_seen_subcommand_from init' -f -a '" +
      join_words(template_names(), " ") +
      "'\n"
      "complete -c terrane -n '__fish_seen_subcommand_from demo' -f -a '" +
      join_words(demo_names(), " ") +
      "'\n"
      "complete -c terrane -n '__fish_seen_subcommand_from schema' -f -a '" +
      sections() +
      "'\n"
      "complete -c terrane -n '__fish_seen_subcommand_from completions' -f -a 'bash zsh fish'\n";
  for (const std::string& option : split_words(kOptions)) {
    if (option.rfind("--", 0) == 0 && option != "--set" && option != "--device") {
      text += "complete -c terrane -l " + option.substr(2) + "\n";
    }
  }
  return text;
}

}  // namespace

int completions_verb(const Options& options) {
  const std::string shell = options.arguments.at(0);
  if (shell != "bash" && shell != "zsh" && shell != "fish") {
    throw Error(ErrorCode::config, "completions: \"" + shell + "\" is not one of bash, zsh, fish");
  }
  std::cout << (shell == "bash" ? bash_script() : shell == "zsh" ? zsh_script() : fish_script()) << std::flush;
  return 0;
}

}  // namespace terrane::cli
