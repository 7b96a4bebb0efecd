# cmake -DFILES="a.sql;b.sql" -DOUT=file.c -P embed_schema.cmake
# FILES is sorted by name, which is by version as the numbers have four digits.
set(arrays "")
set(rows "")
set(count 0)
set(last 0)
foreach(sql IN LISTS FILES)
	cmake_path(GET sql FILENAME name)
	if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_[a-z0-9_]+\\.sql$")
		message(FATAL_ERROR "schema/${name}: the name must be NNNN_name.sql")
	endif()
	string(REGEX REPLACE "^0+" "" version "${CMAKE_MATCH_1}")
	if(NOT version)
		message(FATAL_ERROR "schema/${name}: versions begin at 0001")
	endif()
	if(version EQUAL last)
		message(FATAL_ERROR "schema/${name}: version ${version} is taken")
	endif()
	set(last ${version})

	file(SIZE "${sql}" size)
	file(READ "${sql}" hex HEX)
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
	string(REGEX REPLACE "((0x[0-9a-f][0-9a-f],){16})" "\\1\n\t" bytes "${bytes}")
	string(APPEND arrays
		"static const unsigned char sql_${version}[] = {\n\t${bytes}0x00};\n\n")
	string(APPEND rows "\t{${version}, \"${name}\", sql_${version}, ${size}},\n")
	math(EXPR count "${count} + 1")
endforeach()

file(WRITE "${OUT}"
"/* Made from schema/ by cmake/embed_schema.cmake. */
#include \"store/schema.h\"

${arrays}const struct schema_file schema_files[] = {
${rows}\t{0, NULL, NULL, 0},
};
const size_t schema_file_count = ${count};
")
