# cmake -DFILES="a.html;b.js" -DOUT=file.c -P embed_web.cmake
set(arrays "")
set(rows "")
set(count 0)
foreach(file IN LISTS FILES)
	cmake_path(GET file FILENAME name)
	file(SIZE "${file}" size)
	file(READ "${file}" hex HEX)
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
	string(REGEX REPLACE "((0x[0-9a-f][0-9a-f],){16})" "\\1\n\t" bytes "${bytes}")
	string(APPEND arrays
		"static const unsigned char file_${count}[] = {\n\t${bytes}0x00};\n\n")
	string(APPEND rows "\t{\"${name}\", file_${count}, ${size}},\n")
	math(EXPR count "${count} + 1")
endforeach()

file(WRITE "${OUT}"
"/* Made from web/ by cmake/embed_web.cmake. */
#include \"api/web.h\"

${arrays}const struct web_file web_files[] = {
${rows}\t{NULL, NULL, 0},
};
")
