# How every C file of the project is compiled: the target natsid-flags.
include(CheckCCompilerFlag)

add_library(natsid-flags INTERFACE)
target_compile_definitions(natsid-flags INTERFACE
	_POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)

target_compile_options(natsid-flags INTERFACE
	-Werror -Wall -Wextra -Wpedantic -Wformat=2 -Wshadow -Wconversion
	-Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes
	-Wold-style-definition -Wvla -Walloca -Wundef -Wcast-qual -Wwrite-strings
	-Wswitch-enum -Wnull-dereference)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
	# The jump warning is what makes gcc reject a goto over a cleanup guard; clang does by itself.
	target_compile_options(natsid-flags INTERFACE
		-Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init
		-Wformat-truncation=2
		-ftrivial-auto-var-init=zero)
endif()

# Functions that nobody here may call. In front of each file instead of in each file,
# so that it cannot be forgotten. A file that has to call one is named in this list.
set(banned_exempt)
target_compile_options(natsid-flags INTERFACE
	"SHELL:-include ${PROJECT_SOURCE_DIR}/src/base/banned.h")
foreach(source IN LISTS banned_exempt)
	set_source_files_properties(${PROJECT_SOURCE_DIR}/${source} PROPERTIES
		COMPILE_DEFINITIONS NATSID_BANNED_EXEMPT)
endforeach()

if(NATSID_HARDEN)
	target_compile_options(natsid-flags INTERFACE
		-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong
		-fstack-clash-protection -fPIE)
	# x86 only; other machines go without.
	check_c_compiler_flag(-fcf-protection have_cf_protection)
	if(have_cf_protection)
		target_compile_options(natsid-flags INTERFACE -fcf-protection)
	endif()
	target_link_options(natsid-flags INTERFACE -pie -Wl,-z,relro,-z,now)
endif()

if(NATSID_SANITIZE)
	target_compile_options(natsid-flags INTERFACE
		-fsanitize=${NATSID_SANITIZE} -fno-sanitize-recover=all
		-fno-omit-frame-pointer)
	target_link_options(natsid-flags INTERFACE -fsanitize=${NATSID_SANITIZE})
endif()

if(NATSID_ANALYZE)
	# gcc 12's analyzer guesses wrong often enough that its word is not final.
	target_compile_options(natsid-flags INTERFACE -fanalyzer -Wno-error)
endif()
