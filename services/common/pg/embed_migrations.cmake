# cmake -DOUT=file.cc -DROOT=services -DFILES=a;b -P embed_migrations.cmake: the SQL files as C++.
set(rows "")
foreach(file ${FILES})
  if(NOT file MATCHES "services/([a-z]+)/migrations/0*([1-9][0-9]*)_([a-z0-9_]+)[.]sql$")
    message(FATAL_ERROR "${file}: not services/<schema>/migrations/NNNN_name.sql")
  endif()
  set(schema ${CMAKE_MATCH_1})
  set(version ${CMAKE_MATCH_2})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} sql)
  # A string literal has a bound: adjacent literals of one statement group each are joined by the compiler.
  string(REPLACE "\n\n" "\n\n)sql\" R\"sql(" sql "${sql}")
  string(APPEND rows "      {\"${schema}\", ${version}, \"${name}\", R\"sql(${sql})sql\"},\n")
endforeach()
file(WRITE ${OUT} "#include \"services/common/pg/migrate.h\"\n\nnamespace godwit::pg {\n
const std::vector<Migration>& Migrations() {
  static const auto& migrations = *new std::vector<Migration>{\n${rows}  };\n  return migrations;\n}\n
}  // namespace godwit::pg\n")
