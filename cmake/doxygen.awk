# Shows Doxygen a file as the reference is to have it, line by line: awk -f doxygen.awk FILE

# Members of the namespace that carries the compiler's flags belong to the one around it.
/namespace DESCENT_FLAGS/ { print ""; next }

# From its name on, a rule or a link has what all of them have: rule.hpp describes that once.
FILENAME ~ /\/(rules|transforms)\// && /^  static constexpr std::string_view name = / { sub(/^ */, "/** \\cond */ "); hidden = 1 }
hidden && /^};/ { $0 = "/** \\endcond */ };"; hidden = 0 }

# This point ends no sentence.
/^ *\/\/\// { gsub(/et al\. /, "et al.\\ "); sub(/et al\.$/, "et al.\\ ") }

# Headings of README.md get the anchors that GitHub gives them, to which its links lead.
FILENAME ~ /\.md$/ && /^```/ { in_code = !in_code }
FILENAME ~ /\.md$/ && /^##+ / && !in_code {
  anchor = tolower($0)
  sub(/^#+ +/, "", anchor)
  gsub(/[^a-z0-9 _-]/, "", anchor)
  gsub(/ /, "-", anchor)
  $0 = $0 " {#" anchor "}"
}

# Between letters, Doxygen takes this for text.
FILENAME ~ /\.md$/ { gsub(/<br>/, " <br> ") }

{ print }
