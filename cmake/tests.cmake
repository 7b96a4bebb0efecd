# Unit tests (tests/unit/test_*.c, cmocka), fuzz targets (tests/fuzz/fuzz_*.c) and the
# replay of their corpora. tests/support/*.c holds what several tests share.

# TAP, because scripts/test counts single test functions.
set(test_environment
	CMOCKA_MESSAGE_OUTPUT=TAP
	ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1:check_initialization_order=1
	UBSAN_OPTIONS=print_stacktrace=1
	TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1)

file(GLOB support_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/support/*.c)
# They take the place of the bus, so only programs that include them may have them.
set(fake_bus ${PROJECT_SOURCE_DIR}/tests/support/fake_bus.c
	${PROJECT_SOURCE_DIR}/tests/support/other_hands.c
	${PROJECT_SOURCE_DIR}/tests/support/publish_stage.c)
list(REMOVE_ITEM support_sources ${fake_bus})
# Likewise.
set(live_stage ${PROJECT_SOURCE_DIR}/tests/support/live_stage.c)
list(REMOVE_ITEM support_sources ${live_stage})
file(GLOB unit_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/unit/test_*.c)
file(GLOB fuzz_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_*.c)

if(NATSID_TESTS)
	pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
	add_library(test-support INTERFACE)
	target_include_directories(test-support INTERFACE ${PROJECT_SOURCE_DIR}/tests)
	target_compile_definitions(test-support INTERFACE
		TEST_DATA_DIR="${PROJECT_SOURCE_DIR}/tests")
	target_link_libraries(test-support INTERFACE natsid-core PkgConfig::cmocka)
	if(support_sources)
		add_library(test-support-objects STATIC ${support_sources})
		target_link_libraries(test-support-objects PUBLIC test-support)
	endif()

	foreach(source IN LISTS unit_sources)
		cmake_path(GET source STEM name)
		add_executable(${name} ${source})
		file(STRINGS ${source} uses_fake_bus
			REGEX "\"support/(fake_bus|other_hands|publish_stage)\\.h\"")
		if(uses_fake_bus)
			target_sources(${name} PRIVATE ${fake_bus})
		endif()
		file(STRINGS ${source} uses_live_stage REGEX "\"support/live_stage.h\"")
		if(uses_live_stage)
			target_sources(${name} PRIVATE ${live_stage})
		endif()
		set_target_properties(${name} PROPERTIES
			RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
		if(support_sources)
			target_link_libraries(${name} PRIVATE test-support-objects)
		else()
			target_link_libraries(${name} PRIVATE test-support)
		endif()
		add_test(NAME ${name} COMMAND ${name})
		set_tests_properties(${name} PROPERTIES
			ENVIRONMENT "${test_environment}" TIMEOUT 240)
	endforeach()
endif()

foreach(source IN LISTS fuzz_sources)
	cmake_path(GET source STEM name)
	string(REGEX REPLACE "^fuzz_" "" corpus ${name})
	# libFuzzer looks its entry point up by name; there is no header that declares it.
	set_source_files_properties(${source} PROPERTIES
		COMPILE_OPTIONS -Wno-missing-prototypes)
	if(NATSID_FUZZ)
		add_executable(${name} ${source})
		target_link_options(${name} PRIVATE -fsanitize=fuzzer)
	else()
		add_executable(${name} ${source} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
		add_test(NAME replay_${corpus}
			COMMAND ${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${corpus})
		set_tests_properties(replay_${corpus} PROPERTIES
			ENVIRONMENT "${test_environment}" TIMEOUT 240)
	endif()
	set_target_properties(${name} PROPERTIES
		RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
	target_link_libraries(${name} PRIVATE natsid-core)
endforeach()
