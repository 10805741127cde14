// Package hsm is a keyring of the Cosmos SDK whose keys are in hardware security modules, behind the keyring bridge.
//
// A chain's command gets it as `--keyring-backend hsm` by one line in its main function:
//
//	hsm.Wrap(rootCmd)
//
// A program that makes its keyring itself calls [New].
package hsm
