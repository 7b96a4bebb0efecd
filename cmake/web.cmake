# Embeds web/* as C arrays; what they define is in src/api/web.h.
file(GLOB web_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/web/*)
list(SORT web_files)
set(web_embedded_c ${CMAKE_BINARY_DIR}/generated/web_embedded.c)

# The list of files is part of the command, so that Ninja runs it again when one comes or goes.
add_custom_command(
	OUTPUT ${web_embedded_c}
	COMMAND ${CMAKE_COMMAND} "-DFILES=${web_files}" "-DOUT=${web_embedded_c}"
		-P ${PROJECT_SOURCE_DIR}/cmake/embed_web.cmake
	DEPENDS ${web_files} ${PROJECT_SOURCE_DIR}/cmake/embed_web.cmake
	COMMENT "Embedding web/*"
	VERBATIM)
