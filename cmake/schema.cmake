# Embeds schema/NNNN_name.sql as C arrays; what they define is in src/store/schema.h.
file(GLOB schema_sql CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/schema/*.sql)
list(SORT schema_sql)
set(schema_embedded_c ${CMAKE_BINARY_DIR}/generated/schema_embedded.c)

# The list of files is part of the command, so that Ninja runs it again when one comes or goes.
add_custom_command(
	OUTPUT ${schema_embedded_c}
	COMMAND ${CMAKE_COMMAND} "-DFILES=${schema_sql}" "-DOUT=${schema_embedded_c}"
		-P ${PROJECT_SOURCE_DIR}/cmake/embed_schema.cmake
	DEPENDS ${schema_sql} ${PROJECT_SOURCE_DIR}/cmake/embed_schema.cmake
	COMMENT "Embedding schema/*.sql"
	VERBATIM)
