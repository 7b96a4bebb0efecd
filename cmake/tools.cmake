# Programs that tests in other languages run. In every preset, as those tests run a release.
add_executable(jwt_tool
	${PROJECT_SOURCE_DIR}/tests/tools/jwt_tool.c
	${PROJECT_SOURCE_DIR}/tests/support/jwt_samples.c)
set_target_properties(jwt_tool PROPERTIES
	RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
target_include_directories(jwt_tool PRIVATE ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(jwt_tool PRIVATE natsid-core)
