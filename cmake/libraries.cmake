# The five libraries, as Debian packages them, behind one target.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(sqlite REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(nats REQUIRED IMPORTED_TARGET libnats)

# Debian ships civetweb without a .pc file.
find_path(civetweb_include civetweb.h REQUIRED)
find_library(civetweb_library civetweb REQUIRED)
add_library(civetweb UNKNOWN IMPORTED)
set_target_properties(civetweb PROPERTIES
	IMPORTED_LOCATION ${civetweb_library}
	INTERFACE_INCLUDE_DIRECTORIES ${civetweb_include})

# Includes of imported targets are SYSTEM: their warnings are not ours.
add_library(natsid-libraries INTERFACE)
target_link_libraries(natsid-libraries INTERFACE
	PkgConfig::sodium PkgConfig::sqlite PkgConfig::jansson PkgConfig::nats
	civetweb Threads::Threads m)
