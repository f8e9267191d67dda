#include "services/conversion/converter/windows/version.h"

#include <algorithm>
#include <tuple>

namespace godwit::convert::windows {
namespace {

// Releases by their first build, with the words that name them.
struct Release {
  int build;
  bool server;
  std::vector<std::string> words;
};

const std::vector<Release>& Releases() {
  static const auto& releases = *new std::vector<Release>{
      {2600, false, {"xp", "wxp"}},       {3790, true, {"2k3", "w2k3"}},
      {6000, false, {"vista", "wvista"}}, {6001, true, {"2k8", "w2k8"}},
      {7600, false, {"w7", "win7"}},      {7600, true, {"2k8r2", "w2k8r2"}},
      {9200, false, {"w8", "win8"}},      {9200, true, {"2k12", "w2k12"}},
      {9600, false, {"w8.1", "win8.1"}},  {9600, true, {"2k12r2", "w2k12r2"}},
      {10240, false, {"w10", "win10"}},   {14393, true, {"2k16", "w2k16"}},
      {17763, true, {"2k19", "w2k19"}},   {20348, true, {"2k22", "w2k22"}},
      {22000, false, {"w11", "win11"}},   {26100, true, {"2k25", "w2k25"}},
  };
  return releases;
}

int Generation(int build) {
  return build >= 10240 ? 10 : build >= 9200 ? 8 : build >= 6000 ? 6 : 5;
}

}  // namespace

std::vector<std::string> FolderWords(const Version& version) {
  std::vector<Release> fitting;
  for (const Release& release : Releases()) {
    // Previews of a server release have builds a little below it.
    if (release.build <= version.build + 100) fitting.push_back(release);
  }
  std::stable_sort(fitting.begin(), fitting.end(), [&](const Release& a, const Release& b) {
    const auto rank = [&](const Release& release) {
      return std::make_tuple(-Generation(release.build), release.server != version.server,
                             -release.build);
    };
    return rank(a) < rank(b);
  });
  std::vector<std::string> words;
  for (const Release& release : fitting) {
    words.insert(words.end(), release.words.begin(), release.words.end());
  }
  return words;
}

bool IsFolderWord(const std::string& word) {
  for (const Release& release : Releases()) {
    if (std::find(release.words.begin(), release.words.end(), word) != release.words.end()) {
      return true;
    }
  }
  return false;
}

std::string ArchitectureOfWord(const std::string& word) {
  if (word == "amd64" || word == "x64" || word == "x86_64" || word == "win64") return "x86_64";
  if (word == "x86" || word == "i386" || word == "i686" || word == "win32") return "i386";
  if (word == "arm64" || word == "aarch64") return "aarch64";
  return "";
}

}  // namespace godwit::convert::windows
